"""Tries things on this device: engines, bundles, and how fast they are."""
