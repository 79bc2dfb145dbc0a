"""Functions of an image's size alone."""
