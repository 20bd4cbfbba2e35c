"""Where the sources of kernels lie: those of the catalogue beside this module, others in the user's cache."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from cells.fused.step import Step
from cells.fused.trace import Programs, trace

GENERATED = Path(__file__).parent / "generated"
_HERE = __name__.partition(".")[0]

Printer = Callable[[Step, Programs], str]
_loaded: dict[tuple[str, Step], ModuleType] = {}


def load(step: Step, language: str, printer: Printer) -> ModuleType:
    """The module of ``step`` in ``language``, a suffix: read if it is checked in, else generated.

    A generated source goes to the user's cache folder, under a name that holds its hash; where that cannot
    be written, to a temporary folder. Raises ``ValueError`` for a step that is not elementwise.
    """
    key = (language, step)
    if key not in _loaded:
        path = checked_in(step, language)
        if path is None:
            source = printer(step, trace(step))
            digest = hashlib.sha256(source.encode()).hexdigest()[:12]
            path = _written(f"{step.name}_{language}_{digest}.py", source)
        _loaded[key] = _imported(path)
    return _loaded[key]


def checked_in(step: Step, language: str) -> Path | None:
    """The source beside this module, if the step is one of ours and has one."""
    path = GENERATED / f"{step.name}_{language}.py"
    ours = getattr(step.function, "__module__", "").partition(".")[0] == _HERE
    return path if ours and path.is_file() else None


def cache_folder() -> Path:
    """Where generated sources are kept: ``$XDG_CACHE_HOME/desiderata/kernels``, or below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "desiderata" / "kernels"


def _written(name: str, source: str) -> Path:
    try:
        return _write(cache_folder(), name, source)
    except OSError:  # a read-only home: the kernel is compiled anew by every process then
        return _write(Path(tempfile.mkdtemp(prefix="desiderata-kernels-")), name, source)


def _write(folder: Path, name: str, source: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.is_file():  # its name holds its hash: what is there is what would be written
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".py")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(source)
        Path(temporary).replace(path)
    return path


def _imported(path: Path) -> ModuleType:
    name = f"cells.fused.generated.{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: expected a Python module that can be loaded; delete the file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # half of a module is worse than none
        raise
    return module
