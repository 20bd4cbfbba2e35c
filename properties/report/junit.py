"""JUnit's XML: a test case per line of a certificate, for the dashboards of continuous integration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from properties.core.certificate import CHECK_SET, Certificate, Result
from properties.core.verdict import Status

_CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(certificates: Sequence[Certificate]) -> str:
    """A ``testsuites`` document: a suite per cell, a case per property and scope.

    What fails the certificate is a failure; a required line that could not be judged is an error; what does
    not apply, and what the cell denies or the caller allows, is skipped with its reason. Status,
    semantics and declaration are properties of the case.
    """
    root = ET.Element("testsuites", {"name": f"properties @ {CHECK_SET}"})
    for certificate in certificates:
        _suite(root, certificate)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _suite(root: ET.Element, certificate: Certificate) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": _clean(certificate.name)})
    facts = {
        "profile": certificate.profile,
        "seed": certificate.seed,
        "dtype": certificate.dtype,
        "check_set": CHECK_SET,
        **{k: v for k, v in certificate.environment.items() if k in ("python", "torch")},
    }
    _properties(suite, facts)
    kinds = [_case(suite, certificate, result) for result in certificate.results]
    suite.set("timestamp", certificate.created_at.partition("+")[0])
    suite.set("tests", str(len(kinds)))
    for key, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(kinds.count(kind)))


def _case(suite: ET.Element, certificate: Certificate, result: Result) -> str:
    name = f"{result.property}[{result.scope}]"
    case = ET.SubElement(
        suite, "testcase", {"classname": _clean(certificate.name), "name": name, "time": "0"}
    )
    facts = {
        "status": result.status,
        "semantics": ", ".join(result.semantics),
        "declared": result.declared,
    }
    _properties(case, facts)
    kind, message = _kind(result)
    if kind:
        about = ET.SubElement(case, kind, {"message": _clean(message)})
        if kind != "skipped":
            about.set("type", str(result.status))
            about.text = _clean(f"{result.statement}\n{result.reason}")
    return kind


def _kind(result: Result) -> tuple[str, str]:
    """The element that says how the case ended, empty where it passed, and its message."""
    reason = f"{result.status}: {result.reason}"
    if result.fails:
        return "failure", reason
    if result.status is Status.INCONCLUSIVE and result.required:
        return "error", reason
    if result.status in (Status.FALSIFIED, Status.INCONCLUSIVE):
        verb = {"denies": "denied", "allowed": "allowed"}.get(result.declared, "advisory")
        return "skipped", f"{verb}, {reason}" + (
            f" (because {result.because})" if result.because else ""
        )
    return ("skipped", reason) if result.status is Status.NOT_APPLICABLE else ("", "")


def _properties(parent: ET.Element, facts: Mapping[str, object]) -> None:
    group = ET.SubElement(parent, "properties")
    for name, value in facts.items():
        ET.SubElement(group, "property", {"name": name, "value": _clean(str(value))})


def _clean(text: str) -> str:
    """``text`` without the control characters that XML cannot hold."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
