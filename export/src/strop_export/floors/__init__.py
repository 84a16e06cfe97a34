"""The lowest engine releases that run a file: how they are measured, and the resulting tables.

`python -m strop_export.floors` installs releases of the engines, tries tiny files on each, and
writes `<engine>.toml` in this folder; `strop_export.floors.table` reads those tables. An export
needs only the tables. Measure again when an engine has a new release, or when a file needs
something that the tables do not have.
"""
