"""Running the network over a dataset: training, detection and export."""
