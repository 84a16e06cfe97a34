"""Which bundles a folder takes: those of its model, and no older ones."""

from __future__ import annotations

import os

from strop.bundle.installed import Record
from strop.bundle.manifest import Manifest
from strop.errors import InstallError, either, printable
from strop.install import store


def admit(folder: str, before: Record | None, manifest: Manifest, allow_downgrade: bool) -> None:
    """Raise InstallError unless a bundle may be installed into a folder.

    Args:
        folder: the folder.
        before: what installed.json says; None if there is none.
        manifest: the bundle's.
        allow_downgrade: whether its model_version may be lower than the current one's.
    """
    if before is None:
        strange = sorted(entry for entry in os.listdir(folder) if not store.is_ours(entry))  # noqa: PTH208
        if strange:
            raise InstallError(
                f"{printable(folder)} holds other things ({printable(strange[0])}) and no "
                "installed bundle",
                "name an empty or a new folder",
            )
        return
    current = before.current
    if manifest.name != current.name:
        raise InstallError(
            f"{printable(folder)} is for {printable(current.name)}, and this bundle is of "
            f"{manifest.name}",
            "install it into another folder",
        )
    if manifest.model_version < current.model_version and not allow_downgrade:
        back = f"strop rollback {printable(folder)} goes back to the one before"
        raise InstallError(
            f"{printable(folder)} has {manifest.name} v{current.model_version}, and this bundle is "
            f"the older v{manifest.model_version}",
            either(
                back if len(before.bundles) > 1 else "", "--allow-downgrade installs this bundle"
            ),
        )
