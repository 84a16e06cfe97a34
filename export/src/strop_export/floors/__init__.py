"""The lowest engine releases: how they are measured, and the tables that came of it.

`python -m strop_export.floors` installs releases of the engines, shows each of them tiny files, and
writes `<engine>.toml` beside this; `strop_export.floors.table` reads them. Neither is needed for an
export's own sake again until an engine has a new release or a file asks for something unknown.
"""
