"""Training: configuration, losses, optimisers, the loop, checkpoints, and the run folder."""
