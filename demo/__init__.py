"""The demo page: draw a digit. build.mjs builds it, licenses.py adds licences, serve.py serves it."""
