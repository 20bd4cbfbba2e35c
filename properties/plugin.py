"""The pytest plugin: ``pytest --cell package.module:attribute`` certifies a cell as a test run.

Nothing is active unless ``--cell`` is given, and nothing heavy is imported. With ``--cell`` and no paths,
only the checks run. Under pytest-xdist the workers judge, and the process that started them assembles.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from properties.core.certificate import Certificate, Result
    from properties.core.checks import Check, Examination

_NAME = "desiderata-cells"
_ATTRIBUTE = "desiderata"  # of a test report: what the check found, as plain data


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the group "properties"."""
    group = parser.getgroup("properties", "certification of recurrent cells")
    group.addoption(
        "--cell",
        action="append",
        default=[],
        metavar="CELL",
        help="certify this cell: a registry name or package.module:attribute (repeatable)",
    )
    group.addoption(
        "--properties-profile",
        default="dev",
        metavar="NAME",
        help="dev, ci or nightly (default: dev)",
    )
    group.addoption(
        "--properties-seed",
        type=int,
        default=0,
        metavar="N",
        help="decides every draw (default: 0)",
    )
    group.addoption(
        "--certificate-dir",
        default=None,
        metavar="DIR",
        help="write each cell's certificate there as JSON",
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Find the cells, so that a wrong name is a usage error before anything is collected."""
    targets = list(dict.fromkeys(config.getoption("--cell")))
    if not targets:
        return
    from properties.core.errors import HarnessError

    try:
        certification = Certification(config, targets)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(certification, _NAME)
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []  # only cells were asked for: leave the folder's own tests alone


class CellChecks(pytest.Collector):
    """The checks of one cell, as a node of the test tree."""

    examination: Examination

    def collect(self) -> Iterator[pytest.Item]:
        """One item per property and scope."""
        for check in self.examination.checks():
            item = CellCheck.from_parent(self, name=f"{check.property_.key}[{check.scope}]")
            item.check = check
            yield item


class CellCheck(pytest.Item):
    """One property of one cell in one scope."""

    check: Check

    def runtest(self) -> None:
        """Run the check; its failure message holds the counterexample, its skip the reason."""
        from properties.conformance import Case

        Case(self.check.examination, self.check.property_, self.check.scope)()

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **kw: Any
    ) -> Any:
        """The message alone: a traceback through the harness tells a cell's author nothing."""
        from properties.core.errors import HarnessError

        if isinstance(excinfo.value, AssertionError | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **kw)

    def reportinfo(self) -> tuple[Path, None, str]:
        """What stands before the progress: the cell, in the place of a file."""
        cell = self.nodeid.removesuffix(f"::{self.name}")
        return self.config.rootpath / cell, None, self.name


class Certification:
    """The cells of one run: their items, their results, their certificates."""

    def __init__(self, config: pytest.Config, targets: list[str]) -> None:
        from properties.core.checks import Examination
        from properties.core.profile import profile
        from properties.core.subject import Subject
        from properties.core.surroundings import settled

        budget = profile(config.getoption("--properties-profile"))
        seed = config.getoption("--properties-seed")
        self.folder = _folder(config.getoption("--certificate-dir"))
        with settled():
            self.examinations = {t: Examination(Subject(t), budget, seed) for t in targets}
        self.evaluations: dict[str, str] = {}
        self.results: dict[tuple[str, str, str], Result] = {}
        self.complaints: list[str] = []
        self.written: list[Path] = []
        self.alone = not hasattr(config, "workerinput")

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add the cells to what the session collects."""
        report = yield
        if isinstance(collector, pytest.Session) and report.passed:
            for target, examination in self.examinations.items():
                node = CellChecks.from_parent(collector, name=target, nodeid=target)
                node.examination = examination
                report.result.append(node)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the result, as plain data that a worker can send, to the report of the call."""
        report = yield
        if isinstance(item, CellCheck) and call.when == "call":
            examination, check = item.check.examination, item.check
            result = examination.results.get((check.property_.key, check.scope))
            if result is not None:
                found = {
                    "cell": item.parent.name if item.parent else "",
                    "evaluation": examination.evaluation,
                    "line": result.to_json(),
                }
                setattr(report, _ATTRIBUTE, found)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a check found, here or in a worker."""
        found = getattr(report, _ATTRIBUTE, None)
        if found is None or not self.alone:
            return
        from properties.core.certificate import Result

        result = Result.from_json(found["line"])
        self.evaluations[found["cell"]] = found["evaluation"]
        self.results[found["cell"], result.property, result.scope] = result

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the certificates of the cells all of whose lines ran."""
        if self.folder is None or not self.alone:
            return
        from properties.core.errors import OutputError
        from properties.report.write import write_text

        for target in self.examinations:
            certificate, missing = self.certificate(target)
            if certificate is None or missing:
                continue
            name = re.sub(r"[^A-Za-z0-9]+", "-", certificate.name).strip("-")
            try:
                self.folder.mkdir(exist_ok=True)
                write_text(self.folder / f"{name}.json", certificate.dumps())
            except (OSError, OutputError) as error:
                self.complaints.append(f"error: {error}")
                if session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = pytest.ExitCode.USAGE_ERROR
            else:
                self.written.append(self.folder / f"{name}.json")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Per cell: how many lines applied and ran, and how they came out."""
        lines = []
        for target in self.examinations:
            certificate, missing = self.certificate(target)
            if certificate is None:
                continue
            lines.append(certificate.statement)
            if missing:
                kept = "" if self.folder is None else "; no certificate is written"
                lines.append(f"{target}: {missing} more lines were not run{kept}")
        lines += [f"wrote {path}" for path in self.written] + self.complaints
        if lines:
            terminalreporter.section("properties")
            for line in lines:
                terminalreporter.write_line(line)

    def certificate(self, target: str) -> tuple[Certificate | None, int]:
        """What is known of one cell (None: nothing), and how many of its lines are missing."""
        from properties.core.certify import assemble

        examination = self.examinations[target]
        wanted = [(target, c.property_.key, c.scope) for c in examination.checks()]
        results = [self.results[key] for key in wanted if key in self.results]
        if not results:
            return None, len(wanted)
        evaluation = self.evaluations[target]
        return assemble(examination, results, evaluation), len(wanted) - len(results)


def _folder(given: str | None) -> Path | None:
    """The folder of certificates, looked at before the work. Raises ``UsageError``."""
    if given is None:
        return None
    from properties.core.errors import UsageError

    folder = Path(given).resolve()
    if folder.is_dir() or (folder.parent.is_dir() and not folder.exists()):
        return folder
    raise UsageError(
        f"--certificate-dir: expected a folder, or a name for one in a folder that exists, got {given}"
    )
