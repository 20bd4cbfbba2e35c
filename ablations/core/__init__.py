"""What an ablation is, before anything runs: axes, plans, and the jobs that a plan comes to."""
