"""The result of a study as one labeled tree of arrays.

Docs/schema.md describes it, ``schema`` specifies it.
"""
