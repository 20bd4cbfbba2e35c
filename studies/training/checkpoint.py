"""Checkpoints: a whole run in one file, replaced atomically, refused where it belongs to another run."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from studies.core.atomic import write_atomically
from studies.core.errors import StudyError

FORMAT = 1


def fingerprint(*parts: Any) -> str:
    """A hash of what must be equal for a run to be continued: settings, options, seeds."""
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save(path: Path, content: dict[str, Any], mark: str) -> None:
    """Write ``content`` (tensors and plain data); raises :class:`StudyError` where that fails."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "fingerprint": mark, **content}, buffer)
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def load(path: Path, mark: str) -> dict[str, Any] | None:
    """The content, or None where there is no file.

    Raises :class:`StudyError` for a file that is no checkpoint or one of a run with other settings; it is
    left as it is. Only tensors and plain data are read, so that a file from elsewhere cannot run code.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, weights_only=True)
    except Exception as error:
        raise StudyError(
            f"{path} is no checkpoint ({error}): expected a file that a run of this command wrote; move it "
            "away to start anew"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StudyError(
            f"{path}: expected a checkpoint of format {FORMAT}, got another; move it away to start anew"
        )
    if content["fingerprint"] != mark:
        raise StudyError(
            f"{path} belongs to a run with other settings (expected {mark}, got {content['fingerprint']}): "
            "repeat the command with the settings of that run, or name another output"
        )
    return content
