"""The C core as WebAssembly, and the module for pages around it."""
