"""Export of a trained detector to one file for deployment."""
