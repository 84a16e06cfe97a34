"""Evaluation of a bundle over any number of samples, here or on a cluster."""
