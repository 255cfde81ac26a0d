"""Checked arguments, explained mistakes, printed lines: all that people write and read."""
