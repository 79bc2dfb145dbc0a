"""One module, or a few, for each annotation format; data/annotations/registry.py lists them."""
