"""The native engine: its C core, and the compiling of it."""
