"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studies.core.protocol import PROFILES

PlanName = Annotated[
    str,
    typer.Argument(metavar="PLAN", help="a plan by name, file.toml, or package.module:attribute"),
]
Study = Annotated[Path, typer.Argument(metavar="STUDY", help="the folder of a study")]
ProfileName = Annotated[str, typer.Option("--profile", help=", ".join(PROFILES))]
Seeds = Annotated[int | None, typer.Option(help="replicates; default: the plan's")]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="DESIDERATA_STORAGE",
        show_envvar=True,
        show_default=False,
        help="postgresql+psycopg://…; default: a journal file in the study's folder",
    ),
]
Data = Annotated[Path | None, typer.Option(help="where the corpora lie; default $DESIDERATA_DATA")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Workers = Annotated[int, typer.Option("-n", "--workers", min=1, help="processes on this machine")]
MaxWall = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="longest duration of one job")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress display")]
