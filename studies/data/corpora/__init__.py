"""One module for each corpus, or for each family of one format; each lists its own in ``CORPORA``."""
