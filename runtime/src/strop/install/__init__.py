"""Changes what is installed in a folder, and follows it."""
