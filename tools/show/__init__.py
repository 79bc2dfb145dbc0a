"""Looking at a dataset: contact sheets of its images, of training samples, and plots of its distributions."""
