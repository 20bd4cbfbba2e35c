"""What can be wrong with data; every message says what was expected, what was got and what to do."""

from __future__ import annotations

from studies.core.errors import StudyError


class DataError(StudyError):
    """Data that cannot be used as they are; a command prints the message and exits with status 2."""


class DataFolderError(DataError):
    """No folder of data was named, or what was named is no readable folder."""


class MissingFileError(DataError):
    """A file of a corpus is not in the folder."""


class WrongFileError(DataError):
    """A file is there, and it is not the one that the corpus consists of."""


class DownloadError(DataError):
    """A file could not be fetched, or what came is not the file expected."""


class UnknownCorpusError(DataError, LookupError):
    """A name that no corpus has; the message lists the near ones."""
