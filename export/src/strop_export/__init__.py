"""Export: from a trained Keras model to proven bundles for devices."""
