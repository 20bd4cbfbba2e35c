"""The outputs of a certificate: JSON schema, terminal matrix, page with plots, reproducer scripts."""
