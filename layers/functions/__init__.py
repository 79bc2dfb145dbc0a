"""Functions of a picture's size alone."""
