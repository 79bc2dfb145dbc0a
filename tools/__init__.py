"""Commands that help with a dataset: check, convert, show, sample and statistics."""
