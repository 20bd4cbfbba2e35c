"""Sources of kernels as `python -m cells.fused` writes them."""
