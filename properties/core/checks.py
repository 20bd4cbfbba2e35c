"""One generator of checks behind every front door: (property, scope) pairs of one cell, run lazily."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from properties.core.certificate import Result
from properties.core.context import Context
from properties.core.desideratum import Finding, Property, properties
from properties.core.errors import HarnessError, SubjectError, UsageError
from properties.core.failure import explanation, open_lines, script_command
from properties.core.profile import Profile
from properties.core.proof import Proof, Prover, attempt, combine
from properties.core.subject import Subject
from properties.core.surroundings import settled
from properties.core.verdict import PASSING, Status

ADVISORY_SCOPES = ("at-init", "these-weights")
_PRECONDITION = "well-posed"
_BLOCK = "identity-block"

Progress = Callable[[str, str, int, int], None]
"""Called before each check with (property, scope, number, of)."""


@dataclass(frozen=True)
class Check:
    """One property in one scope of one cell; ``run()`` judges it once and remembers the result."""

    examination: Examination
    property_: Property
    scope: str

    @property
    def id(self) -> str:
        """A readable identifier for test reports, such as ``gato-bounded-state-at-init``."""
        return f"{self.examination.subject.name}-{self.property_.key}-{self.scope}"

    def run(self) -> Result:
        """The result, never an exception for what the cell does."""
        return self.examination.result(self.property_, self.scope)

    def __call__(self) -> Result:
        """Run; raise ``AssertionError`` where the line fails or is required and inconclusive."""
        __tracebackhide__ = True  # a traceback through the harness tells a cell's author nothing
        result = self.run()
        if open_lines([result]):
            raise AssertionError(self._message(result))
        return result

    def _message(self, result: Result) -> str:
        subject = self.examination.subject
        lines = [f"{subject.name}: {result.property} ({result.scope}) is {result.status}"]
        lines += [f"  {word + ':':6} {text}" for word, text in explanation(result)]
        if result.because and result.because not in result.reason:
            lines.append(f"  {result.declared} because {result.because}")
        command = script_command(
            subject.target, [result], profile=self.examination.profile.name,
            seed=self.examination.seed, dtype=str(subject.dtype).removeprefix("torch."),
        )  # fmt: skip
        if command is not None and subject.weights is None:
            lines.append(f"  a script of it: {command}")
        return "\n".join(lines)


@dataclass
class Examination:
    """One cell, its budget, and the results so far."""

    subject: Subject
    profile: Profile
    seed: int = 0
    only: Sequence[str] = ()
    allow: Mapping[str, str] = field(default_factory=dict)
    results: dict[tuple[str, str], Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chosen = chosen(self.only, self.allow)
        _check_declarations(self.subject)
        self.context = Context(self.subject, self.profile, self.seed)

    def checks(self) -> tuple[Check, ...]:
        """Every check of this cell, in the order of the certificate."""
        return tuple(
            Check(self, p, scope)
            for p in self.chosen
            for scope in self.subject.scopes
            if not p.advisory or scope in ADVISORY_SCOPES
        )

    def result(self, prop: Property, scope: str) -> Result:
        """The result of one check; what it rests on is judged first, so order does not matter."""
        if (prop.key, scope) not in self.results:
            with settled():
                self.results[prop.key, scope] = self._judge(prop, scope)
        return self.results[prop.key, scope]

    @property
    def evaluation(self) -> str:
        """How parameter draws were evaluated; a cell that is not well-posed is not evaluated at all."""
        return "not evaluated" if self.broken else self.context.evaluation

    @property
    def broken(self) -> str | None:
        """What the cell's well-posedness complains of, if anything."""
        if _PRECONDITION not in {p.key for p in properties()}:
            return None
        battery = next(p for p in properties() if p.key == _PRECONDITION)
        for scope in self.subject.scopes:
            result = self.result(battery, scope)
            if result.status not in PASSING:
                return result.reason
        return None

    def _judge(self, prop: Property, scope: str) -> Result:
        if prop.key != _PRECONDITION:
            broken = self.broken
            if broken is not None:
                reason = f"not judged, since the cell is not well-posed: {broken}"
                return self._weigh(prop, scope, Finding(Status.INCONCLUSIVE, reason))
            if prop.key != _BLOCK:
                # the search for the block settles which scalars are recurrent
                for p in properties():
                    if p.key == _BLOCK:
                        self.result(p, scope)
            for needed in prop.after:
                for p in properties():
                    if p.key == needed:
                        self.result(p, scope)
        finding = self.find(prop, scope)
        self.context.notes[prop.key, scope] = finding.status
        self.context.notes["witness", prop.key, scope] = finding.witness
        return self._weigh(prop, scope, finding)

    def find(self, prop: Property, scope: str) -> Finding:
        """Search and proof, before any declaration is weighed; a raising cell is inconclusive."""
        self.context.scope = scope
        try:
            finding = prop.judge(self.context, scope)
        except HarnessError:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's cell may raise anything, anywhere
            text = (str(error).strip().splitlines() or [""])[0]
            reason = f"the search stopped with {type(error).__name__}: {text[:240]}"
            return Finding(Status.INCONCLUSIVE, reason)
        # both always run: neither silences the other
        if prop.prove is None:
            return finding
        proof = attempt(self.context, prop.key, scope, prop.prove)
        return combine(finding, self._reconsidered(prop, scope, finding, proof, prop.prove))

    def _reconsidered(
        self, prop: Property, scope: str, finding: Finding, proof: Proof | None, prove: Prover
    ) -> Proof | None:
        """The proof, asked again at the size of a counterexample: proofs are made at a few sizes only."""
        witness = finding.witness if finding.status is Status.FALSIFIED else None
        if proof is None or proof.status != "proved" or witness is None:
            return proof
        draws = witness.draws
        self.context.doubt = (draws.input_size, draws.hidden_size)
        try:
            there = attempt(self.context, prop.key, scope, prove)
        finally:
            self.context.doubt = None
        return proof if there is None else there

    def _weigh(self, prop: Property, scope: str, finding: Finding) -> Result:
        """The finding beside what the cell declares and what the caller allows."""
        description = self.subject.description
        claim, denial = description.claim(prop.key, scope), description.denial(prop.key, scope)
        status, reason = finding.status, finding.reason
        declared, because = "silent", ""
        if claim is not None:
            declared, because = "claims", claim.because
            if status is Status.NOT_APPLICABLE and reason.startswith("vacuous"):
                status = Status.VACUOUS
        elif denial is not None:
            declared, because = "denies", denial.because
            if status in PASSING and scope != "these-weights" and not prop.advisory:
                reason = f"denied ({because}), yet no counterexample was found: {reason}"
                status = Status.STALE_DENIAL
        if prop.key in self.allow:
            declared, because = "allowed", self.allow[prop.key]
        return Result(
            property=prop.key,
            scope=scope,
            status=status,
            required=not prop.advisory and declared in ("claims", "silent"),
            declared=declared,
            because=because,
            reason=reason,
            advisory=prop.advisory,
            statement=prop.statement,
            quantifiers=finding.quantifiers,
            semantics=_semantics(prop, finding),
            passed=finding.passed,
            discarded=finding.discarded,
            evidence=finding.evidence,
            witness=finding.witness,
        )


def _semantics(prop: Property, finding: Finding) -> tuple[str, ...]:
    """What the search measures, and what a proof is about."""
    proof = finding.evidence.get("proof") or {}
    proved = proof.get("semantics", ()) if proof.get("status") == "proved" else ()
    return tuple(dict.fromkeys((*prop.semantics, *proved)))


def _check_declarations(subject: Subject) -> None:
    known = {p.key for p in properties()}
    for claim in (*subject.description.claims, *subject.description.denies):
        if claim.property not in known:
            raise SubjectError(
                f"{subject.name} declares something about {claim.property!r}: expected a property key; "
                f"{_near(claim.property, known)}"
            )


def _near(key: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(key, known, n=2, cutoff=0.4)
    return f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"


def chosen(only: Sequence[str], allow: Mapping[str, str]) -> tuple[Property, ...]:
    """The properties asked for; ``well-posed`` always among them. Raises :class:`UsageError`."""
    known = {p.key: p for p in properties()}
    for key in (*only, *allow):
        if key not in known:
            raise UsageError(f"expected a property key, got {key!r}; {_near(key, known)}")
    for key, reason in allow.items():
        if not reason.strip():
            raise UsageError(f'allow: a reason is needed, write {key}="why this is accepted"')
    if not only:
        return tuple(known.values())
    return tuple(p for p in known.values() if p.key in only or p.key == _PRECONDITION)


def run(checks: Sequence[Check], progress: Progress | None = None) -> Iterator[Result]:
    """Run checks in order, reporting progress before each."""
    for number, check in enumerate(checks):
        if progress is not None:
            progress(check.property_.key, check.scope, number, len(checks))
        yield check.run()
