"""Two-phase training with exact resume: configuration, loop, step, state, checkpoints, metrics and report."""
