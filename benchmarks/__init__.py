"""Benchmarks: Strop beside what people would write without it."""
