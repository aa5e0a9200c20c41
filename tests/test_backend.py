import subprocess
import sys
import types
from typing import NamedTuple

import numpy as np
import pytest

from tinyattn import backend
from tinyattn.errors import InputError


class Pair(NamedTuple):
    first: object
    second: object


def test_import_of_the_library_does_not_import_cupy():
    modules = "backend ops attention models gradcheck mutants optim train measure tasks.markov"
    each = f"for m in '{modules}'.split(): importlib.import_module('tinyattn.' + m)"
    code = f"import sys, importlib; sys.modules['cupy'] = None\n{each}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_put_and_to_numpy_keep_the_nest_and_every_value(device, rng):
    tree = {
        "a": rng.normal(size=(2, 3)),
        "b": [np.arange(3), (np.array([True, False]), None)],
        "c": Pair(2.5, "text"),
    }
    there = device.put(tree)
    assert type(there["a"]).__module__ == device.xp.ndarray.__module__
    assert (
        isinstance(there["c"], Pair)
        and there["c"] == Pair(2.5, "text")
        and there["b"][1][1] is None
    )
    back = backend.to_numpy(there)
    assert isinstance(back["a"], np.ndarray) and np.array_equal(back["a"], tree["a"])
    assert np.array_equal(back["b"][0], tree["b"][0]) and np.array_equal(
        back["b"][1][0], tree["b"][1][0]
    )


def test_put_changes_the_precision_of_floats_only(device, rng):
    there = device.put({"x": rng.normal(size=3), "ids": np.arange(3)}, "float32")
    assert (there["x"].dtype, there["ids"].dtype) == (np.float32, np.int64)
    assert device.put(there, "float64")["x"].dtype == np.float64


def test_scatter_add_is_add_at(device, rng):
    index, values, start = (
        rng.integers(-9, 7, size=(30, 4)),
        rng.normal(size=(30, 4, 5)),
        rng.normal(size=(9, 5)),
    )
    want, out = start.copy(), device.put(start.copy())
    np.add.at(want, index, values)
    backend.scatter_add(out, device.put(index), device.put(values))
    np.testing.assert_allclose(backend.to_numpy(out), want, rtol=1e-12)
    backend.scatter_add(out, device.put(index[:0]), device.put(values[:0]))
    np.testing.assert_allclose(backend.to_numpy(out), want, rtol=1e-12)


def test_scatter_add_counts_repeated_indices(device):
    out = device.put(np.zeros((3, 2)))
    backend.scatter_add(out, device.put(np.array([[0, 2], [2, 2]])), device.put(np.ones((2, 2, 2))))
    assert backend.to_numpy(out).tolist() == [[1, 1], [0, 0], [3, 3]]
    device.synchronize()


def test_auto_without_cupy_says_why_once(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.delenv("TINYATTN_DEVICE", raising=False)
    assert backend.get().name == backend.get("auto").name == "cpu"
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "CPU" in said and "CuPy" in said


def test_gpu_without_one_is_an_error_that_tells_how_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(InputError, match=r"device: .*'gpu'.*pip install") as error:
        backend.get("gpu")
    assert "\n" not in str(error.value)


class CUDARuntimeError(RuntimeError):
    pass


def no_driver(*_):
    raise CUDARuntimeError(
        "cudaErrorInsufficientDriver: CUDA driver version is insufficient\nsecond line"
    )


@pytest.mark.parametrize("fails", ["Device", "asarray", "exp"])
def test_the_probe_survives_a_machine_without_a_driver(monkeypatch, capsys, stand_in, fails):
    fake = types.ModuleType("cupy")
    fake.__dict__.update(vars(stand_in))
    fake.is_available = no_driver
    if fails == "Device":
        fake.cuda = types.SimpleNamespace(Device=no_driver)
    else:
        setattr(fake, fails, no_driver)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    assert backend.get("auto").name == "cpu"
    said = capsys.readouterr().err
    assert "cudaErrorInsufficientDriver" in said and said.count("\n") == 1
    with pytest.raises(InputError, match="cudaErrorInsufficientDriver"):
        backend.get("gpu")


def test_the_probe_catches_a_gpu_that_computes_wrongly(monkeypatch, stand_in):
    monkeypatch.setattr(stand_in, "exp", lambda x: x)
    with pytest.raises(InputError, match="wrong matrix product"):
        backend.get("gpu")


def test_a_broken_cupy_that_fails_on_import(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text(
        "raise OSError('libcublas.so.12: cannot open shared object file')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    assert backend.get("auto").name == "cpu"
    with pytest.raises(InputError, match="libcublas"):
        backend.get("gpu")


def test_names_of_devices(monkeypatch, stand_in):
    assert (
        backend.get("gpu").name == backend.get("gpu:0").name == backend.get("auto").name == "gpu:0"
    )
    assert stand_in.cuda.Device.used[-1] == 0
    with pytest.raises(InputError, match="invalid device ordinal 1"):
        backend.get("gpu:1")
    monkeypatch.setenv("TINYATTN_DEVICE", "cpu")
    assert backend.get().name == "cpu"


@pytest.mark.parametrize("name", ["tpu", "gpu:", "gpu:-1", "cpu:0", "", 3])
def test_an_unknown_device_is_named(monkeypatch, name):
    monkeypatch.setenv("TINYATTN_DEVICE", "tpu")
    with pytest.raises(InputError, match="device: expected"):
        backend.get(name or None)


def test_the_stand_in_refuses_what_a_gpu_refuses(stand_in, rng):
    x = stand_in.asarray(rng.normal(size=(2, 3)).astype(np.float32))
    refused = [
        lambda: float(x[0, 0]),
        lambda: bool(x[0, 0] > 0),
        lambda: x[0, 0].item(),
        lambda: list(x),
        lambda: np.exp(x),
        lambda: np.asarray(x),
        lambda: x + np.ones((2, 3), np.float32),
        lambda: np.ones((2, 3), np.float32) + x,
        lambda: x * np.float64(2),
        lambda: x[x > 0],
        lambda: x[np.array([0, 1])],
        lambda: stand_in.where(x > 0, x, np.zeros(3)),
        lambda: (
            x
            + stand_in.asarray(np.array(0.5)).astype("float64") * x.astype("float64")
            + np.sqrt(2.0)
        ),
    ]
    for action in refused:
        with pytest.raises(TypeError):
            action()
    assert (x * 2.0 + 1).dtype == np.float32


def test_the_stand_in_does_what_cupy_does(stand_in):
    put = stand_in.asarray
    x32, x64, ids = put(np.zeros(3, "float32")), put(np.ones(3)), put(np.array([0, 4, -1]))
    assert stand_in.asnumpy(put(np.arange(3.0))[ids]).tolist() == [0, 1, 2], (
        "an index out of range wraps"
    )
    assert stand_in.asnumpy(put(np.arange(6.0).reshape(2, 3))[:, None, ids]).tolist() == [
        [[0, 1, 2]],
        [[3, 4, 5]],
    ]
    assert stand_in.asnumpy(
        put(np.arange(6.0).reshape(2, 3)).take(put(np.array([5, 2])), axis=1)
    ).tolist() == [[2, 2], [5, 5]]
    assert put(x64) is x64
    for wrong in (
        lambda: x32.__iadd__(x64), lambda: x32.__setitem__(..., x64), lambda: x32 + x64, lambda: put(np.array(["a"])),
        lambda: put(np.array([None])), lambda: x32 + np.ones(3), lambda: x64[x64 > 0], lambda: float(x64[0]),
    ):  # fmt: skip
        with pytest.raises(stand_in.StrictError):
            wrong()


@pytest.mark.parametrize("place", [3, 4, -4, -5])
def test_a_place_outside_is_refused_and_nothing_is_added(place):
    out = np.zeros((3, 2))
    with pytest.raises(InputError, match=r"index: expected places in -3..2, got"):
        backend.scatter_add(out, np.array([0, place]), np.ones((2, 2)))
    assert not out.any()


def test_copies_may_be_spoilt_and_keep_the_nest(device):
    tree = {"a": device.put(np.ones(3)), "b": [device.put(np.ones(2)), Pair(2.5, None)]}
    copies = backend.copied(tree)
    copies["a"][:] = 7.0
    copies["b"][0][:] = 7.0
    assert backend.to_numpy(tree["a"]).tolist() == [1, 1, 1] and copies["b"][1] == Pair(2.5, None)
    assert backend.to_numpy(tree["b"][0]).tolist() == [1, 1]
    assert backend.to_numpy(copies["a"]).tolist() == [7, 7, 7]


def test_put_like_brings_arrays_to_where_another_is(device, rng):
    x = rng.normal(size=(2, 3))
    there = backend.put_like({"x": x, "n": 3}, device.put(np.zeros(1)))
    assert isinstance(there["x"], device.xp.ndarray) and there["n"] == 3
    assert np.array_equal(backend.to_numpy(there["x"]), x)


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint8", "bool", "complex128"])
def test_numbers_of_every_kind_enter_and_text_does_not(kind):
    cpu = backend.get("cpu")
    assert cpu.put(np.ones(2, kind)).dtype == kind
    with pytest.raises(InputError, match="tree: expected arrays of numbers, got dtype <U1"):
        cpu.put([np.ones(2, kind), np.array(["a"])])


def test_a_device_that_is_named_goes_before_the_environment(monkeypatch, stand_in):
    monkeypatch.setenv("TINYATTN_DEVICE", "gpu:0")
    assert backend.get("cpu").name == "cpu" and backend.get().name == "gpu:0"
    monkeypatch.setenv("TINYATTN_DEVICE", "")
    assert backend.get().name == "gpu:0", "an empty one is none: auto"
