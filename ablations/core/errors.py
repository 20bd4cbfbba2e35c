"""What can go wrong with an ablation, and which exit status it ends with."""

from __future__ import annotations

from studies.core.errors import StudyError


class AblationError(StudyError):
    """A mistake that a user can mend: exit status 2."""


class UnavailableError(AblationError):
    """Something that may be there later (a database, space on a disk): exit status 75, try again."""
