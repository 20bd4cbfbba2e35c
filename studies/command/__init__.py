"""The command line: ``python -m studies list | data | run``."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import typer

from studies.command.catalogue import command as list_command
from studies.command.data import app as data_app
from studies.command.report import command as report_command
from studies.command.run import command as run_command
from studies.core.errors import StudyError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Train recurrent cells on the papers' tasks, as the papers did.",
)
app.command("list")(list_command)
app.add_typer(data_app, name="data")
app.command("run")(run_command)
app.command("report")(report_command)
_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status: 0 done, 2 a mistake to mend, 130 interrupted."""
    command = typer.main.get_command(app)
    try:
        status = command.main(
            args=list(arguments), prog_name="python -m studies", standalone_mode=False
        )
    except StudyError as error:
        typer.echo(f"error: {error}", err=True)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        status = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the status must not be that of a verdict
        show = getattr(error, "show", None)
        if show is None:
            traceback.print_exc()
            typer.echo("error: the study itself failed, see above; please report it", err=True)
        else:
            show()  # a usage error of the argument parser
        return 2
    if status == _INTERRUPTED:
        typer.echo("stopped; with --out, the same command goes on from its checkpoint", err=True)
    return status if isinstance(status, int) else 0
