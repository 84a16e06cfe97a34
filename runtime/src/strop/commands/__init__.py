"""One module for each command; its `main` takes parsed arguments and gives the exit status."""
