"""Collect Strop's data files, and the modules that it imports only on demand.

The engines that are installed where the app is built come along, with their libraries.
"""

from importlib.metadata import packages_distributions
from importlib.util import find_spec

from PyInstaller.utils.hooks import (
    collect_data_files,
    collect_dynamic_libs,
    collect_submodules,
    copy_metadata,
)

from strop.engines import TABLE

hiddenimports = collect_submodules("strop", filter=lambda name: "_pyinstaller" not in name)
datas = collect_data_files("strop")
binaries = []
for _package in (entry.package for entry in TABLE.values()):
    if _package and find_spec(_package):
        libraries = collect_dynamic_libs(_package)
        # LiteRT's plugins for NPUs want their makers' libraries, and nothing here runs on one.
        binaries += [(file, folder) for file, folder in libraries if "vendors" not in folder]
        for _distribution in packages_distributions().get(_package, ()):
            datas += copy_metadata(_distribution)  # the release, which `strop tune` notes
