"""The proof: what each engine answers to every sample, held against Keras."""
