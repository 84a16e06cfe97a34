"""Benchmarks: Strop compared with the code that people would write without it."""
