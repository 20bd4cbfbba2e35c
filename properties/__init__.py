"""The desiderata of recurrent cells as formal checks: search, replay, certificates.

``certify(factory)`` judges one cell and returns a :class:`Certificate`; ``parametrize_with_properties``
turns the same checks into pytest cases; ``python -m properties`` is the command.

Names are imported when they are first asked for: every pytest run of an environment loads
:mod:`properties.plugin`, and must not wait for torch unless ``--cell`` is given.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from properties.conformance import parametrize_with_properties, property_checks
    from properties.core.certificate import Certificate, Result
    from properties.core.certify import certify
    from properties.core.desideratum import Finding, Property
    from properties.core.desideratum import properties as registered
    from properties.core.errors import (
        HarnessError,
        OutputError,
        SubjectError,
        UsageError,
        WeightsError,
    )
    from properties.core.profile import Profile
    from properties.core.subject import Subject
    from properties.core.verdict import Status
    from properties.core.witness import Witness

_HOMES = {
    "Certificate": "core.certificate",
    "Finding": "core.desideratum",
    "HarnessError": "core.errors",
    "OutputError": "core.errors",
    "Profile": "core.profile",
    "Property": "core.desideratum",
    "Result": "core.certificate",
    "Status": "core.verdict",
    "Subject": "core.subject",
    "SubjectError": "core.errors",
    "UsageError": "core.errors",
    "WeightsError": "core.errors",
    "Witness": "core.witness",
    "certify": "core.certify",
    "parametrize_with_properties": "conformance",
    "property_checks": "conformance",
    "registered": "core.desideratum",
}
_RENAMED = {"registered": "properties"}

__all__ = [
    "Certificate",
    "Finding",
    "HarnessError",
    "OutputError",
    "Profile",
    "Property",
    "Result",
    "Status",
    "Subject",
    "SubjectError",
    "UsageError",
    "WeightsError",
    "Witness",
    "certify",
    "parametrize_with_properties",
    "property_checks",
    "registered",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = globals()[name] = getattr(home, _RENAMED.get(name, name))
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
