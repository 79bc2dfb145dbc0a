"""Prior boxes, which depend on the size of the image alone."""
