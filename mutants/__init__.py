"""Mutants: is there a test that fails when a line of the package is wrong?"""
