"""The installer: it changes what is installed in a folder, and watches it."""
