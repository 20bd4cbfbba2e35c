"""Ablations: factors × protocol × seeds, run resumably and read back as one labeled dataset.

The top layer: imports ``studies`` and ``cells``, and of ``properties`` its public surface alone, so
that verdicts can stand beside metrics.
"""
