"""The machinery of certification: subjects, draws, engines, search, certificates."""
