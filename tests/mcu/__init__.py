"""Firmware on emulated boards: the native engine's bits, sizes, and other tools beside it."""
