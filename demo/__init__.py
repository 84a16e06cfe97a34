"""The demo page: build.mjs builds it, licenses.py adds licences, serve.py serves it."""
