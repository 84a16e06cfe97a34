"""The facts about a device: its CPU, its board, its GPUs, and the wheels that it can install."""
