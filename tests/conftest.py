"""What every test runs under: one thread, reproducible examples, and data where there is any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# No deadline: the first call of a torch function may take a second. No too_slow: drawing tensors is slow.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=25, print_blob=True, **_COMMON)
settings.register_profile("ci", max_examples=25, derandomize=True, **_COMMON)
_DEFAULT = "ci" if os.environ.get("CI") else "dev"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _DEFAULT))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of benchmark files that DESIDERATA_DATA names; the test is skipped where it names none."""
    value = os.environ.get("DESIDERATA_DATA")
    if not value:
        pytest.skip("DESIDERATA_DATA is not set: name the folder that holds the benchmark files")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"DESIDERATA_DATA must name a folder, or be unset: got {value}")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a CUDA device where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and torch finds none"))
