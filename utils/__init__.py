"""Leaves of the program: they import nothing else of it."""
