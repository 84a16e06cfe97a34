"""One module a command, each with a `main`: parsed arguments in, the exit status out."""
