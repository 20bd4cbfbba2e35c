"""Functions that kernels have no word for, each as a composition of those that they have."""
