"""Building blocks that more than one cell uses: initializers, gates, affine maps."""
