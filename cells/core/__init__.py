"""What every cell shares: the protocol, its state, the loop over time, the registry and the adapter."""
