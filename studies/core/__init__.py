"""What every study speaks about: tasks, batches, objectives, metrics, and where random numbers come from."""
