"""``python -m studies run TASK --cell NAME``: train replicates, print the result, write it as netCDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import rich.box
import rich.console
import torch
import typer
import xarray
from rich.table import Table

import cells
from cells.fused.threads import processors
from studies.command.progress import Display
from studies.core.errors import StudyError
from studies.core.protocol import PROFILES
from studies.run.configuration import parse, resolve
from studies.run.dataset import STATUSES, save, spread
from studies.run.report import printed
from studies.run.study import Study
from studies.training import shares
from studies.training.memory import keep_freed_memory, settle_objects
from studies.training.run_state import RunState
from studies.training.trainer import Monitor


def command(
    task: Annotated[str, typer.Argument(help="a task, see `python -m studies list`")],
    *,
    cell: Annotated[str, typer.Option(help="a registered cell, or package.module:attribute")],
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KNOB=VALUE", help="a knob of the cell, or task.…, model.…, training.…"
        ),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="replicates, trained side by side")] = None,
    profile: Annotated[str, typer.Option(help=", ".join(PROFILES))] = "laptop",
    protocol: Annotated[str | None, typer.Option(help="a protocol by name")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    threads: Annotated[
        int, typer.Option(min=1, help="CPU threads of torch's operations, most of which are small")
    ] = 1,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, help="processes to share out the replicates to; default one per CPU, on Linux"
        ),
    ] = None,
    kernel_threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads of fused kernels; default the CPUs that are left"),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="where the corpora lie; default $DESIDERATA_DATA")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.nc", help="the result; a killed run goes on from beside it"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress display")] = False,
) -> None:
    """Train a cell on a task as a paper did; every seed is a replicate in one batch.

    Exit status: 0 done; 2 a wrong name, value, file or device; 130 interrupted.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    configuration = resolve(
        task,
        cell,
        profile=profile,  # type: ignore[arg-type]  # checked there
        protocol=protocol,
        overrides=parse(assignments or []),
        seeds=seeds,
    )
    checkpoint = None
    if out is not None:
        _writable(out)
        checkpoint = out.with_name(f"{out.name}.checkpoint")
    study = Study.prepare(configuration, folder=data, device=device, checkpoint=checkpoint)
    count = shares.fitting(study.trainer, processes)
    with (
        cells.kernel_threads(kernel_threads or max(1, processors() // count)),
        Display(study.task.metric, study.source.examples_per_step, quiet=quiet) as display,
    ):
        result = study.run(_settled(display), processes=count)
    if out is not None:
        save(result, out)
        if checkpoint is not None:
            for one in shares.checkpoints(checkpoint):
                one.unlink(missing_ok=True)
    show(result)
    if out is not None:
        rich.console.Console().print(f"wrote {out}", markup=False, highlight=False, soft_wrap=True)


def _settled(display: Display) -> Monitor:
    def monitor(state: RunState, total: int | None) -> None:
        settle_objects()
        display(state, total)

    return monitor


def _writable(out: Path) -> None:
    """Refuse before an hour of training rather than after it."""
    if out.is_dir() or out.suffix != ".nc":
        raise StudyError(f"--out: expected a file name that ends in .nc, got {out}")
    from studies.core.atomic import write_atomically

    probe = out.with_name(f".{out.name}.probe")
    write_atomically(probe, lambda temporary: temporary.write_bytes(b""))
    probe.unlink()


def show(result: xarray.Dataset) -> None:
    """Print a result: one row per seed, what ignorance scores, what the paper printed."""
    console = rich.console.Console()
    about = result.attrs
    unit = result["test_metric"].attrs["units"]
    table = Table(
        "seed", "test", "best validation", "at step", "ended", box=rich.box.SIMPLE,
        title=f"{about['title']}: {about['metric']}" + ("" if unit == "1" else f" ({unit})"),
    )  # fmt: skip
    for seed in result["seed"].values:
        row = result.sel(seed=seed)
        status = STATUSES[int(row["outcome"])]
        if status == "diverged":
            status += f" after step {int(row['last_finite_step'])}"
        table.add_row(
            str(seed),
            f"{float(row['test_metric']):.4g}",
            f"{float(row['valid_metric_best']):.4g}",
            str(int(row["best_step"])),
            status,
        )
    console.print(table)
    console.print(
        f"mean and range: {spread(result['test_metric'].values)}", markup=False, highlight=False
    )
    console.print(
        f"ignorance scores {about['ignorance']:.4g}; {about['better']} is better; "
        f"{about['n_cell_parameters']:,} parameters in the cell, {about['n_parameters']:,} in all; "
        f"{about['wall_time_s']:.0f} s for {result.sizes['seed']} replicates",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    rows = [f"{one.label} {one.value:g} ({one.column}; {one.table})" for one in printed(result)]
    if rows:
        console.print(f"published: {'; '.join(rows)}", highlight=False, soft_wrap=True)
    console.print(
        f"protocol {about['protocol']}, profile {about['profile']}; differs from the paper: "
        f"{about['protocol_differences']}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
