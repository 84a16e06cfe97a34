"""Emulated boards and a software GPU, for tests."""
