"""The report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import xarray
from markupsafe import Markup

from ablations.report.across import Across
from ablations.report.analysis import Section
from ablations.report.claims import spelled
from ablations.report.markdown import HEADER, agreed, cells, number, scaling


def page(
    tree: xarray.DataTree,
    sections: Sequence[Section],
    over: Across | None,
    pictures: Mapping[str, Sequence[bytes]],
) -> str:
    """HTML with the pictures inside; every text is escaped.

    ``over``: all tasks; ``pictures``: task → SVGs.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    drawn = {task: Markup("\n".join(map(_inline, svgs))) for task, svgs in pictures.items()}  # noqa: S704 - drawn by us
    return environment.get_template("study.html.j2").render(
        about=tree.attrs,
        sections=sections,
        header=HEADER,
        cells=cells,
        number=number,
        agreed=agreed,
        scaling=scaling,
        spelled=spelled,
        over=over,
        pictures=drawn,
    )


def _inline(svg: bytes) -> str:
    """Without the XML declaration and document type, which have no place inside HTML."""
    text = svg.decode()
    return text[text.index("<svg") :]
