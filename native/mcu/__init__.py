"""C for microcontrollers, and boards to run it on."""
