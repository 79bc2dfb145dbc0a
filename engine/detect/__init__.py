"""Detection in lists of images, folders and videos: sources, pipeline and output."""
