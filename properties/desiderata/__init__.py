"""The properties, one module each; every module here is found and its ``PROPERTY`` registered."""
