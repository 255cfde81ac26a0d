"""The JAX engine: spans of steps of a flax NNX module as one compiled loop."""
