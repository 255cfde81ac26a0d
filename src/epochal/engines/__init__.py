"""Engines execute spans of training steps; the loop in `epochal.core` drives them."""
