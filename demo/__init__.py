"""The demo page: draw a digit. build.mjs builds it, serve.py serves it."""
