"""One study from its names to its result: what is asked for, what is run, what comes out."""
