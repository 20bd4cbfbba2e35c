"""The command line.

``python -m ablations list | plan | run | worker | status | resume | export | report …``.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import typer

from ablations.command.catalogue import command as list_command
from ablations.command.compare import command as compare_command
from ablations.command.doctor import command as doctor_command
from ablations.command.export import command as export_command
from ablations.command.launch import command as launch_command
from ablations.command.plan import command as plan_command
from ablations.command.report import command as report_command
from ablations.command.repro import command as repro_command
from ablations.command.run import command as run_command
from ablations.command.status import command as status_command
from ablations.command.worker import command as worker_command
from ablations.command.worker import resume as resume_command
from ablations.core.errors import UnavailableError
from ablations.ledger.execute import PreemptedError
from studies.core.errors import StudyError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Published ablations of recurrent cells as resumable studies, read back as one dataset. "
    "Exit status: 0 "
    "all runs done, 3 some are missing, 2 a mistake to mend, 75 try again (stopped, no room, no database).",
)
for _name, _command in (
    ("list", list_command),
    ("plan", plan_command),
    ("run", run_command),
    ("worker", worker_command),
    ("resume", resume_command),
    ("status", status_command),
    ("export", export_command),
    ("report", report_command),
    ("compare", compare_command),
    ("doctor", doctor_command),
    ("repro", repro_command),
    ("launch", launch_command),
):
    app.command(_name)(_command)
_AGAIN = 75


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status: 0, 2, 3 or 75."""
    command = typer.main.get_command(app)
    try:
        status = command.main(
            args=list(arguments), prog_name="python -m ablations", standalone_mode=False
        )
    except (UnavailableError, PreemptedError, typer.Abort, KeyboardInterrupt) as error:
        text = str(error) or "stopped; the same command goes on from there"
        typer.echo(f"error: {text}" if isinstance(error, UnavailableError) else text, err=True)
        return _AGAIN
    except StudyError as error:
        typer.echo(f"error: {error}", err=True)
        return 2
    except Exception as error:  # noqa: BLE001 - the status must not be that of a study
        show = getattr(error, "show", None)
        if show is None:
            traceback.print_exc()
            typer.echo("error: the harness itself failed, see above; please report it", err=True)
        else:
            show()  # a usage error of the argument parser
        return 2
    if status == 130:
        typer.echo("stopped; the same command goes on from there", err=True)
        return _AGAIN
    return status if isinstance(status, int) else 0
