"""The same training in epochal, Keras, plain JAX, PyTorch, Lightning and Ignite, measured side by side.

`make bench-peers` measures all of it; docs/performance.md shows the figures and says what they mean.
"""
