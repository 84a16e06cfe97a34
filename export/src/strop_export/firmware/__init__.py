"""Models as C code for microcontrollers."""
