"""Keras-style training callbacks."""
