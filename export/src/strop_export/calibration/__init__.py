"""The calibration samples: whether they are fit for it, and whether there are enough of them."""
