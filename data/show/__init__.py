"""Looking at a dataset: contact sheets of its pictures, of training samples, and plots of its distributions."""
