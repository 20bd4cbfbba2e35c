"""docs/speed.md and its picture from the stored runs: `python tests/benchmarks/speed_page.py [--check]`.

The page is a function of the files under baselines/ and of nothing else.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a checkout that is not installed

import baseline
import speed_picture
import yardstick
from environment import Environment
from goals import GOALS, assess
from result import Result
from result_table import duration
from workloads import WORKLOADS

from studies.core.atomic import write_atomically

DOCS = Path(__file__).parents[2] / "docs"

HOW = """\
# Speed

<!-- written by tests/benchmarks/speed_page.py from tests/benchmarks/baselines: do not edit -->

What `nox -s bench -- --update-baseline` measured and stored, or the medians of several such runs, row by row
(`tests/benchmarks/median_run.py`): one process may be lucky. A figure is a **ratio**: the time of the layer
named beside it, mostly `torch.nn.LSTM`, over the time of ours, both in alternating rounds of one process.
Above 1 ours is faster. Given are the median of the paired ratios and its quartiles. Seconds belong to a
machine and its neighbors, ratios hardly do.

- A call is forward and backward of one layer: gradients of the inputs and of every parameter from a dense
  upstream gradient. A GATO of J units per channel stands beside `nn.LSTM(2J)`, the widths that its paper
  compares, and beside an LSTM of as many parameters (`lstm-equal`). `hoisted` is the readable step, its
  inputs projected before the loop; `naive` is the loop over `step`. `lstm` alternates with itself, and
  shows what a ratio of 1 looks like.
- On a CPU one thread is timed by its processor time, on a GPU by events of the device. A round takes 2 ms
  at least, and a quarter of the other's.
- Every layer is first held to a float64 reference, outputs and gradients, in memory filled with NaN.
- Where device, torch, Numba or Triton, cuDNN and threads are those of a stored run, each result of ours has
  three witnesses: its ratio, its ratio to an elementwise pass over memory in the same rounds, and its
  seconds. Where two of the three are below 0.85 of what was stored, it is measured again with twice the
  rounds, and a third time after a pause, when it has to reach 0.88. If it never does, all this is done once
  more in a process of its own, whose word is the last: a kernel has been seen a quarter slower for as long
  as one process lived, and slower code is slower in every one. But where this process gets less than 80 %
  of a processor, processes take turns, and it is called busy. One witness may err: where many processes
  take turns on a processor `nn.LSTM` takes up to 18 % longer, and a kernel that streams does not. What is
  no kernel (proofs, searches, loops in Python, large products) suffers from neighbors more than a stream:
  its seconds are not heard, and both ratios must agree. So are loops over small steps and kernels over
  short sequences, most of which are calls from Python: beside a pass of such calls in place of the stream.
  Elsewhere the suite reports. Torch's own layers are never gated, and runs are stored on a quiet machine
  only.
- `nox -s bench -- --slow fused=1.3` slows a kernel by 30 %, to see it caught.
- What has no counterpart in torch alternates with the `yardstick`: ABOUT, forward
  and backward.
- glibc takes pieces of more than 32 MiB from the operating system and gives them back at once, and fresh
  pages take long to fill. `nn.LSTM` needs such a piece at most shapes here, for a fifth of its time at
  `training` and for two fifths at `cert-long`, where its process does not happen to have one at hand: its
  figures may differ by 1.7 from process to process. In a process that keeps freed memory, as training
  commands do, `nn.LSTM(512)` took 109 ms instead of 138, and fused GATO was 9.5 to 10.3 times as quick in
  seven processes, 11.7 to 12.8 times without. A script of your own that trains large layers does well to
  call `studies.training.memory.keep_freed_memory()`: fused GATO by itself took 10 ms a call with it, 23
  without.
- The quickest kernels win per unit, not per parameter: an LSTM of as many parameters is small, and most of
  its time is one product.
""".replace("ABOUT", yardstick.ABOUT)

NO_GPU = (
    "**GPU timings are missing**: no run on one is stored, so the goals G4 to G9 are neither met nor\n"
    "missed. `nox -s bench` measures a GPU where there is one, and stores it with `--update-baseline`."
)
NO_RUN = "No run is stored yet."


def page(runs: Sequence[baseline.Baseline], image: str) -> str:
    """The page; ``image``: the picture's name beside it."""
    parts = [HOW]
    if runs:
        parts.append(f"![ratios of every stored run]({image})\n")
    else:
        parts.append(f"{NO_RUN}\n")
    if not any(run.environment.cuda for run in runs):
        parts.append(f"{NO_GPU}\n")
    parts += [_run(run) for run in runs]
    return "\n".join(parts)


def _run(run: baseline.Baseline) -> str:
    lines = [f"## {run.environment.device}", "", _versions(run.environment), ""]
    lines += _goals(run)
    for workload in _in_order({one.workload for one in run.results.values()}):
        lines += _workload(workload, [r for r in run.results.values() if r.workload == workload])
    return "\n".join(lines)


def _versions(environment: Environment) -> str:
    threads = "1 thread" if environment.threads == 1 else f"{environment.threads} threads"
    cudnn = f", cuDNN {environment.cudnn}" if environment.cuda else ""
    return f"torch {environment.torch}, {environment.kernels}{cudnn}, {threads}."


def _goals(run: baseline.Baseline) -> list[str]:
    lines = ["| goal | expected | | found |", "|---|---|---|---|"]
    for goal in GOALS:
        if goal.concerns(run.environment):
            word, found = assess(goal, run.results)
            lines.append(f"| {goal.name} | {goal.statement} | {word} | {found} |")
    return [*lines, ""]


def _in_order(names: set[str]) -> list[str]:
    """The workloads in the order of their table, and then whatever else was measured."""
    return [*filter(names.__contains__, WORKLOADS), *sorted(names - set(WORKLOADS))]


def _workload(name: str, results: Sequence[Result]) -> list[str]:
    """One table; what all of its rows share stands above it."""
    shapes, references = ({getattr(r, key) for r in results} for key in ("shape", "reference"))
    about = []
    if len(shapes) == 1:
        about.append(next(iter(shapes)))
    if len(references) == 1:
        about.append(f"ratio to {next(iter(references))}")
    columns = ["implementation"]
    columns += ["shape"] * (len(shapes) > 1) + ["ratio to"] * (len(references) > 1)
    columns += ["run by", "one call", "ratio", "quartiles", "besides"]
    lines = [f"### {name}", "", *([f"{'; '.join(about)}.", ""] if about else [])]
    lines += [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for one in results:
        cells = [one.implementation]
        cells += [one.shape] * (len(shapes) > 1) + [one.reference] * (len(references) > 1)
        cells += [one.backend or "torch", duration(one.seconds), f"{one.ratio:.3g}"]
        cells += [f"{one.lower:.3g} – {one.upper:.3g}", _figures(one)]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _figures(result: Result) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.3g}" for name, value in sorted(result.figures.items())
    )


def made(folder: Path = baseline.FOLDER, docs: Path = DOCS) -> dict[Path, bytes]:
    """What the files of docs/ should hold. Raises ``ValueError`` for a file that is no stored run."""
    runs = baseline.stored_runs(folder)
    text, image = docs / "speed.md", docs / "speed.svg"
    files = {text: page(runs, image.name).rstrip().encode() + b"\n"}
    if runs:
        files[image] = speed_picture.picture(runs)
    return files


def stale(files: dict[Path, bytes]) -> list[Path]:
    """Those that are missing, and pages that say something else.

    A picture only has to be there: another version of matplotlib draws it otherwise.
    """
    return [
        path
        for path, content in files.items()
        if not path.exists() or (path.suffix == ".md" and path.read_bytes() != content)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and its picture; with ``--check`` only say whether they are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    parser.add_argument(
        "--stored", type=Path, default=baseline.FOLDER, help="folder of stored runs"
    )
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the page")
    given = parser.parse_args(arguments)
    files = made(given.stored, given.out)
    if given.check:
        old = stale(files)
        for path in old:
            sys.stderr.write(
                f"{path}: stale; expected what `python tests/benchmarks/speed_page.py` writes: run it\n"
            )
        return 1 if old else 0
    for path, content in files.items():
        write_atomically(path, functools.partial(Path.write_bytes, data=content))
        sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
