"""Training data: arrays and streams become chunks of batches; NumPy only."""
