"""Runs: the model that an app holds, and the choice of what runs it."""
