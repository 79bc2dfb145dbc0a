"""A run over a dataset: training, and detecting a list of pictures."""
