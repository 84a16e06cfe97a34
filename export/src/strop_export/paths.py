"""The paths in this package, and in the checkout that it runs from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent
TARGETS: Final = PACKAGE / "targets"
FLOORS: Final = PACKAGE / "floors"
TOLERANCES: Final = PACKAGE / "tolerances.toml"

ROOT: Final = PACKAGE.parents[2]
RUNTIME: Final = ROOT / "runtime"
REQUIREMENTS: Final = ROOT / "requirements"
ARTIFACTS: Final = ROOT / "artifacts"
DIST: Final = ROOT / "dist"
ENGINE_CACHE: Final = ROOT / ".cache" / "engines"
FLOOR_CACHE: Final = ROOT / ".cache" / "floors"
