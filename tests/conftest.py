import os
import sys
from pathlib import Path

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # read when NumPy is loaded: files of tests run side by side

import numpy as np
import pytest

from tinyattn import backend

HERE = Path(__file__).parent
sys.path[:0] = [str(folder) for folder in (HERE, HERE / "bench", HERE.parent / "lessons")]
import strict_cupy


def pytest_configure(config):
    config.option.loadscopereorder = (
        False  # side by side, files in the order of their names: the longest is among the first
    )
    config.addinivalue_line(
        "markers", "gpu: needs a GPU; TINYATTN_REQUIRE_GPU=1 turns its skipping into failure"
    )


@pytest.fixture(autouse=True)
def fresh_probe():
    """What one test learns about GPUs is forgotten before the next."""
    backend._trouble_with_gpu.cache_clear()
    backend._say_once.cache_clear()


@pytest.fixture
def stand_in(monkeypatch):
    """The strict stand-in, imported wherever CuPy would be."""
    monkeypatch.setitem(sys.modules, "cupy", strict_cupy)
    return strict_cupy


@pytest.fixture(params=["cpu", "stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request):
    """Every place where the library computes: a test that takes it runs on each."""
    if request.param == "cpu":
        return backend.get("cpu")
    if request.param == "stand-in":
        request.getfixturevalue("stand_in")
        return backend.get("gpu")
    trouble = backend._trouble_with_gpu(0)
    if trouble and os.environ.get("TINYATTN_REQUIRE_GPU") == "1":
        pytest.fail(f"TINYATTN_REQUIRE_GPU=1, but {trouble}")
    if trouble:
        pytest.skip(trouble)
    return backend.get("gpu")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
