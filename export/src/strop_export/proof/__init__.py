"""The proof: each engine's outputs for every sample, compared with Keras's."""
