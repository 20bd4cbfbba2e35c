"""``python -m ablations launch STUDY --slurm N``: the same worker on many machines."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Annotated

import typer

from ablations.command.options import Study
from ablations.command.slurm import installed, submit_array
from ablations.core.errors import AblationError
from ablations.ledger.folder import Folder


def command(
    study: Study,
    *,
    slurm: Annotated[int, typer.Option(min=1, help="tasks of the array")],
    option: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="of sbatch, such as --partition=gpu")
    ] = None,
    submit: Annotated[
        bool, typer.Option("--submit", help="submit it, instead of printing")
    ] = False,
) -> None:
    """Print, or submit, a Slurm array of workers: through submitit where that is installed, else by sbatch.

    The storage's URL is taken from the environment of the jobs.
    """
    Folder(study).layout()
    if submit and installed():
        jobs = submit_array(study.resolve(), slurm, option or [])
        typer.echo(f"submitted {', '.join(jobs)}; logs in {study / 'slurm'}")
        return
    text = script(str(study.resolve()), slurm, option or [])
    if not submit:
        typer.echo(text, nl=False)
        return
    try:
        run = subprocess.run(["sbatch"], input=text, text=True, capture_output=True, check=False)  # noqa: S607
    except OSError as error:
        raise AblationError(
            f"sbatch cannot be run ({error}): print the script without --submit"
        ) from error
    if run.returncode:
        raise AblationError(f"sbatch refused the array: {run.stderr.strip()}")
    typer.echo(run.stdout, nl=False)


def script(study: str, count: int, options: list[str]) -> str:
    """The batch script.

    ``count`` tasks, each a worker, told to stop softly a minute before its time is over.
    """
    lines = [
        "#!/bin/bash",
        "#SBATCH --job-name=ablations",
        f"#SBATCH --array=1-{count}",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@60",
        *(f"#SBATCH {one}" for one in options),
        "export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1",
        f"exec {shlex.quote(sys.executable)} -m ablations worker {shlex.quote(study)}",
    ]
    return "\n".join(lines) + "\n"
