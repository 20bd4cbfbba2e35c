"""Data: the conventional files of each corpus, verified and read into NumPy arrays.

``names()`` lists the corpora, ``get(name)`` describes one, ``read(name, data=None)`` reads it from the
folder that ``data`` or the environment variable ``DESIDERATA_DATA`` names. Nothing here knows of models.
Adding a corpus is adding one module to ``studies/data/corpora``.
"""

from studies.data.corpus import Corpus, DataFile
from studies.data.errors import DataError
from studies.data.reading import read
from studies.data.registry import get, names

__all__ = ["Corpus", "DataError", "DataFile", "get", "names", "read"]
