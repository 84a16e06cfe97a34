"""Knows the device: its CPU, its board, its GPUs, and which wheels it can have."""
