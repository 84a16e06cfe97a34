"""Tools that write files which the repository holds."""
