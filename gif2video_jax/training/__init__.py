"""Training: tasks, losses, input pipeline, loop and checkpoints."""
