"""The installer: it changes what is installed in a folder, and follows it."""
