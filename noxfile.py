"""What can be run: `nox -l` lists the sessions, `nox -s NAME -- ARGUMENTS` passes arguments through.

Every session installs the exact versions of constraints.txt into an environment of its own, kept under
.nox/ and reused. `nox -R -s NAME` reuses it without looking at the versions again.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = (
    "virtualenv"  # installs with pip, and so as the user's pip is configured
)
nox.options.reuse_venv = "yes"  # torch is large
nox.options.sessions = ["lint", "types", "tests", "properties", "docs"]

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PACKAGES = ("cells", "properties", "studies", "ablations")

# Pages that are computed from the code; each command writes them, and with --check fails if they are stale.
# A first word that ends in .py is a script, any other a module of ours.
GENERATORS: tuple[tuple[str, ...], ...] = (
    ("cells.fused",),
    ("properties", "pages"),
    ("properties", "gates"),
    ("studies", "report"),
    *(("ablations", "report", str(study.relative_to(ROOT)), "--out", "docs/ablations",
       "--stem", study.stem, "--style", "gato" if study.stem.startswith("gato") else "quartiles")
      for study in sorted(ROOT.glob("studies/results/ablations/*.nc"))),
    ("tests/benchmarks/speed_page.py",),
)  # fmt: skip

# One thread per process: sessions parallelize over processes, and small matrices gain nothing from more.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def group(name: str) -> list[str]:
    """The requirements of one dependency group of pyproject.toml."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


def install(session: nox.Session, *groups: str) -> None:
    """Install the project, editable, with the groups named."""
    requirements = [requirement for name in groups for requirement in group(name)]
    # with the kernels, which are optional for users
    session.install("-c", str(CONSTRAINTS), "-e", f"{ROOT}[fused]", *requirements)


def split_install(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take every ``--install X`` out of ``arguments``: what to install, and what remains.

    Raises ``ValueError`` where nothing follows ``--install``.
    """
    wanted: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, value = argument.partition("=")
        if name != "--install":
            rest.append(argument)
            continue
        target = value if equals else next(remaining, "")
        if not target:
            raise ValueError("--install: expected a folder or a requirement after it, got nothing")
        wanted.append(target)
    return wanted, rest


@nox.session
def properties(session: nox.Session) -> None:
    """Certify cells: `-- NAME`, `-- package.module:attribute`, `-- --install FOLDER package.module:name`.

    Without arguments: every registered cell. A cell of yours is found if its package lies in the folder
    where nox was started or on PYTHONPATH, or if `--install` names its folder (or a requirement); a
    version that your package requires then replaces ours, so that the cell is judged on its own terms.
    """
    started = Path(session.invoked_from)
    try:
        wanted, arguments = split_install(session.posargs)
    except ValueError as error:
        session.error(str(error))
    install(session)
    if wanted:
        places = [str(started / one) if (started / one).exists() else one for one in wanted]
        session.install(
            "-e", str(ROOT), *places
        )  # ours again, so that pip holds theirs to our bounds
    paths = [str(ROOT), str(started), os.environ.get("PYTHONPATH", "")]
    session.chdir(started)  # so that files the user names are where the user is
    # -P: a folder named `properties` beside the user's package must not stand in for ours
    session.run(
        "python",
        "-P",
        "-m",
        "properties",
        *(arguments or ["--all"]),
        env={**ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


@nox.session
def ablations(session: nox.Session) -> None:
    """Run ablations: `-- run PLAN`, `-- list`, `-- report FILE.nc`; see `-- --help`.

    Files are named from the folder where nox was started; a study on PostgreSQL needs `psycopg` beside it.
    """
    install(session)
    session.chdir(session.invoked_from)  # so that files the user names are where the user is
    paths = [str(ROOT), session.invoked_from, os.environ.get("PYTHONPATH", "")]
    # -P: a folder named `ablations` where the user is must not stand in for ours
    session.run(
        "python",
        "-P",
        "-m",
        "ablations",
        *(session.posargs or ["list"]),
        env={**ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite; arguments go to pytest, such as `-- tests/cells -k gato`."""
    install(session, "tests")
    # Two workers, benchmarks off (they are meaningless beside other work), examples reproducible.
    session.run(
        "pytest",
        "-n",
        "2",
        "--benchmark-disable",
        *session.posargs,
        env={**ONE_THREAD, "HYPOTHESIS_PROFILE": os.environ.get("HYPOTHESIS_PROFILE", "ci")},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format; `-- --fix` repairs what can be repaired."""
    session.install("-c", str(CONSTRAINTS), *group("lint"))
    if "--fix" in session.posargs:
        session.run("ruff", "check", "--fix", ".")
        session.run("ruff", "format", ".")
        return
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the four packages and of this file, strictly."""
    install(session, "types")
    session.run("mypy", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, and fail where something is slower than in the stored run; `-- --update-baseline` stores.

    The numbers go to .benchmarks/latest.json. `--update-baseline` stores the ratios under the key of this
    device and these versions instead of judging them, and writes docs/speed.md anew; `--slow fused=1.3`
    slows an implementation, to see it caught. Other arguments go to pytest.
    """
    install(session, "tests")
    results = ROOT / ".benchmarks" / "latest.json"
    results.parent.mkdir(exist_ok=True)
    session.run(
        "pytest",
        "tests/benchmarks",
        "-m",
        "benchmark",
        "--benchmark-only",
        "--benchmark-columns=median,iqr,rounds",
        "--quiet",
        f"--benchmark-json={results}",
        *session.posargs,
        env=ONE_THREAD,
    )
    if "--update-baseline" in session.posargs:
        session.run("python", "tests/benchmarks/speed_page.py", env=ONE_THREAD)


@nox.session
def docs(session: nox.Session) -> None:
    """Fail where a generated page is stale; `-- --write` writes them anew."""
    install(session)
    check = [] if "--write" in session.posargs else ["--check"]
    for words in GENERATORS:
        module = [] if words[0].endswith(".py") else ["-m"]
        session.run("python", *module, *words, *check, env=ONE_THREAD)
