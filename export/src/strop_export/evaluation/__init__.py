"""The evaluation of a bundle over more samples than memory holds."""
