"""Axes, one module each with ``AXIS``: what the papers change, and where they say so."""
