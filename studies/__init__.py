"""Studies: the tasks, data, trainer and protocols with which published cells were compared.

Imports ``cells`` and never ``properties``: what a cell is proved to do and what it scores are two
measurements, and neither may lean on the other.
"""
