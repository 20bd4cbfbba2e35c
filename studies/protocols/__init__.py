"""The papers' experiments, one file each: settings with their sources, and the numbers that were printed."""
