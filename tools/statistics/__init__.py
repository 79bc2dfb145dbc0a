"""Distributions of a dataset's images and faces, as text and as plots."""
