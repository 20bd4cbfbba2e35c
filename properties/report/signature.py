"""The constructor of a cell as code, one knob per line."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any


def signature(maker: Callable[..., Any]) -> str:
    """``Name(…)`` with annotations and defaults; the names of sets of literals are spelled out."""
    module = sys.modules[maker.__module__]
    lines, keyword_only = [], False
    for parameter in inspect.signature(maker).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            lines.append("*")
        annotation = parameter.annotation
        if not isinstance(annotation, str):
            annotation = inspect.formatannotation(annotation)
        alias = getattr(module, annotation, None)
        if typing.get_origin(alias) is typing.Literal:
            annotation = f"Literal[{', '.join(map(repr, typing.get_args(alias)))}]"
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        lines.append(f"{parameter.name}: {annotation}{default}".replace("'", '"'))
    inside = "".join(f"    {line},\n" for line in lines)
    return f"{maker.__name__}(\n{inside})"
