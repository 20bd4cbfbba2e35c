"""One trainer whose seeds are a batch axis."""
