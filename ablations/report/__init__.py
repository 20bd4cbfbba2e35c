"""Reports: pure functions of a dataset, so that the same records give the same bytes."""
