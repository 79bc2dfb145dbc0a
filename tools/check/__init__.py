"""Finding what is wrong with a dataset before a training does."""
