"""The errors of certification.

::

    HarnessError
    ├── SubjectError      the cell cannot be found, imported or built
    ├── WeightsError      the weights file cannot be used for this cell
    ├── UsageError        a flag or argument has an impossible value
    └── OutputError       a report cannot be written where it was asked for
"""

from __future__ import annotations


class HarnessError(Exception):
    """Base of the tree: a message that says what was expected, what was got and what to do."""


class SubjectError(HarnessError):
    """The cell cannot be found, imported or built."""


class WeightsError(HarnessError):
    """A weights file is missing, damaged, unsafe, or of another cell."""


class UsageError(HarnessError):
    """A flag or argument has an impossible value."""


class OutputError(HarnessError):
    """A report cannot be written where it was asked for."""
