"""``python -m properties verify CERTIFICATE.json``: proofs made again, counterexamples replayed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import torch
import typer

from properties.core import weights as weight_files
from properties.core.certify import environment
from properties.core.verify import DIFFERS, read, verify

app = typer.Typer(add_completion=False)


@app.command()
def command(
    certificate: Annotated[
        Path, typer.Argument(metavar="CERTIFICATE.json", help="what --json wrote")
    ],
    *,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE.pt", help="the trained weights that were judged")
    ] = None,
) -> int:
    """Check a certificate without searching: one line for each of its lines.

    Exit status: 0 nothing differs; 1 something differs; 2 the file is no certificate of this version, or the
    cell cannot be built.
    """
    torch.set_num_threads(1)  # tiny tensors: a second thread only adds overhead
    state = None if weights is None else weight_files.load(str(weights))
    outcomes: Counter[str] = Counter()
    for stored in read(certificate):
        made, here = stored.get("environment", {}), environment()
        for key in sorted(here):
            if made.get(key) != here[key]:
                typer.echo(f"made with {key} {made.get(key)}, checked with {here[key]}", err=True)
        for line in verify(stored, state):
            place = f"{line.property} ({line.scope})" if line.scope else line.property
            reason = f": {line.reason}" if line.reason else ""
            typer.echo(f"{line.cell}: {place}: {line.outcome}{reason}")
            outcomes[line.outcome] += 1
    typer.echo(", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    return 1 if outcomes[DIFFERS] else 0
