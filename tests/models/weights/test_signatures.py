"""Each thing that is no file of weights is called by its name, whatever it is called."""

from __future__ import annotations

import io
import pickle
import shlex
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from reknow.errors import WeightsError
from reknow.models.weights.file import read

ONE = {"a": torch.arange(3.0)}


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


def arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


def torch_file(legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(ONE, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file.*Download it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a pointer of Git LFS.*git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "a web page, not the file.*Download it again"),
        (b"<HTML><body>", "a web page"),
        (b"Entry not found", r"text \(Entry not found"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), r"an HDF5 file \(Keras"),
        (b"\x08\x07\x12\x07pytorch" + bytes(20), "an ONNX model"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(20), "a TensorFlow Lite model"),
        (b"\x1f\x8b\x08" + bytes(20), "a file compressed by gzip.*Unpack it"),
        (bytes(40), "no file of weights"),
        (pickle.dumps(print), "a pickle that torch.save did not write"),
        (pickle.dumps({"a": np.zeros(3)}, protocol=2), "a pickle that torch.save did not write"),
        (zipped(readme=b"x"), r"a zip archive that torch.save did not write \(readme\)"),
        (zipped(**{"model.weights.h5": b""}), "a Keras model"),
        (zipped(**{"m/constants.pkl": b"", "m/data.pkl": b""}), "a TorchScript archive.*state_dict"),
        (arrays(), "numpy arrays"),
        (tarred("sys_info", "pickle", "storages", "tensors"), "format of before version 0.1.10"),
        (tarred("w.pth"), r"a tar archive \(w\.pth\)"),
        (torch_file()[:-100], "a zip archive, as torch.save writes, cut short.*Download it again"),
        (torch_file(legacy=True)[:-8], "damaged, or cut short"),
        (save(ONE)[:40], "a safetensors file, cut short"),
        (save(ONE)[:-4], "cannot be read"),
    ],
)
def test_it_is_called_by_its_name(tmp_path, content, found, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{name}: .*{found}") as caught:
        read(tmp_path / name)
    assert "weights_only" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_script_is_refused(tmp_path):
    network = torch.nn.Linear(2, 2)
    torch.jit.save(torch.jit.trace(network, torch.ones(1, 2)), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="a TorchScript archive") as caught:
        read(tmp_path / "w.pt")
    # The command of the message makes a file that is read.
    python, option, program = shlex.split(caught.value.remedy.partition("runs it: ")[2])
    assert (python, option) == ("python", "-c")
    exec(program, {})
    assert torch.equal(read(tmp_path / "w.pt.pth").state["weight"], network.weight)


@pytest.mark.parametrize("legacy", [False, True])
def test_the_suffix_decides_nothing(tmp_path, legacy):
    save_file(ONE, tmp_path / "w.pth")
    torch.save(ONE, tmp_path / "w.safetensors", _use_new_zipfile_serialization=not legacy)
    for name in ("w.pth", "w.safetensors"):
        assert torch.equal(read(tmp_path / name).state["a"], ONE["a"])
