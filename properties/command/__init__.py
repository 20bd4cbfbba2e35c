"""The command line: ``python -m properties CELL …`` and its sub-commands."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import typer

from properties.command.certify import app as certify_app
from properties.command.gates import app as gates_app
from properties.command.pages import app as pages_app
from properties.command.verify import app as verify_app
from properties.core.errors import HarnessError

SUBCOMMANDS = {"gates": gates_app, "pages": pages_app, "verify": verify_app}
_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status (0, 1, 2 or 3, see ``--help``; 130: interrupted).

    Nothing but a verdict gives 0 or 1: an error, be it the harness's own or the program's end asked for
    by a cell's code, gives 2.
    """
    app, rest, name = certify_app, list(arguments), "python -m properties"
    if rest and rest[0] in SUBCOMMANDS:
        name = f"{name} {rest[0]}"
        app, rest = SUBCOMMANDS[rest[0]], rest[1:]
    command = typer.main.get_command(app)
    try:
        status = command.main(args=rest, prog_name=name, standalone_mode=False)
    except HarnessError as error:
        typer.echo(f"error: {error}", err=True)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        status = _INTERRUPTED
    except SystemExit as end:
        return _ended(end)
    except Exception as error:  # noqa: BLE001 - an uncaught error would leave with 1, as if falsified
        show = getattr(error, "show", None)
        if show is None:
            traceback.print_exc()
            typer.echo(
                "error: the certification itself failed, see above; this is no verdict on the cell, "
                "please report it",
                err=True,
            )
        else:
            show()  # a usage error of the argument parser
        return 2
    if status == _INTERRUPTED:
        typer.echo("stopped: no verdict, nothing more is written", err=True)
    return status if isinstance(status, int) else 0


def _ended(end: SystemExit) -> int:
    """Something asked the program to end: a closed pipe (``| head``), or the code of the cell."""
    if not isinstance(end.__context__, BrokenPipeError):
        typer.echo(
            f"error: the cell's code ended the program with sys.exit({end.code!r}); expected it to raise "
            "an exception or to return",
            err=True,
        )
    return 2
