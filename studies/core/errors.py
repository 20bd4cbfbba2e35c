"""What a user can mend: wrong names, values, files. The command prints it and leaves with status 2."""

from __future__ import annotations


class StudyError(Exception):
    """An error whose message says what was expected, what was got, and what to do."""
