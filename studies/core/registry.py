"""Names of tasks: registration by decorator, discovery by folder, near names in the error."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
from typing import Any, TypeVar

from studies.core.errors import StudyError
from studies.core.task import Task

T = TypeVar("T", bound=type[Task])

_tasks: dict[str, tuple[type[Task], dict[str, Any]]] = {}


def register(name: str, **options: Any) -> Any:
    """Register a task class under ``name``, with ``options`` that the caller may still override.

    Raises ``ValueError`` for a name that is taken.
    """

    def enter(task: T) -> T:
        if name in _tasks:
            raise ValueError(
                f"the name {name!r} is taken by {_tasks[name][0].__qualname__}: choose another"
            )
        _tasks[name] = (task, options)
        return task

    return enter


@functools.cache
def _discover() -> None:
    package = importlib.import_module("studies.tasks")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"studies.tasks.{module.name}")


def task_names() -> tuple[str, ...]:
    """The registered names, sorted."""
    _discover()
    return tuple(sorted(_tasks))


def task_class(name: str) -> type[Task]:
    """The class behind ``name``; raises :class:`StudyError` that lists the near names."""
    return _entry(name)[0]


def task_options(name: str) -> dict[str, Any]:
    """Every option of the task ``name`` with its default."""
    kind, fixed = _entry(name)
    parameters = inspect.signature(kind).parameters.values()
    return {p.name: p.default for p in parameters} | fixed


def get_task(name: str, **options: Any) -> Task:
    """The task registered under ``name``.

    Raises :class:`StudyError` for an unknown name or option (near ones listed) or a value out of range.
    """
    kind, fixed = _entry(name)
    known = task_options(name)
    for option in options:
        if option not in known:
            raise StudyError(
                f"task {name}: no option {option!r}{near(option, known)}; its options are "
                f"{', '.join(known) or 'none'}"
            )
    try:
        task = kind(**{**fixed, **options})
    except (TypeError, ValueError) as error:
        raise StudyError(f"task {name}: {error}") from error
    return task


def near(name: str, known: Any) -> str:
    """A clause that names what may have been meant, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" (did you mean {', '.join(close)}?)" if close else ""


def _entry(name: str) -> tuple[type[Task], dict[str, Any]]:
    _discover()
    try:
        return _tasks[name]
    except KeyError:
        raise StudyError(
            f"no task is called {name!r}{near(name, _tasks)}; tasks: {', '.join(task_names())}"
        ) from None
