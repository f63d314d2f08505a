"""The ONNX file: written beside and then renamed, if it agrees with torch. Decisions:

- Height and width are fixed in the file, since programs read from it to which size they have to resize.
- Resizing stays outside. Pillow's antialiased filters have no counterpart among ONNX operators, and a network that
  sees other pixels than it was trained with gives other vectors. The file's metadata says how to resize.
- A network with a camera table is exported for an unknown camera, the mean of its table; the metadata say so.
- One that joins several spectra is refused: what it computes depends on which of them an observation has, and
  torch.export takes no such branches.
- Weights and arithmetic are 32 bit, whatever precision the recognizer computes in.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import torch

from reknow.errors import ExportError, MissingExtra, nearest
from reknow.export.agreement import BATCHES, LARGEST_DEVIATION, deviation
from reknow.export.graph import IMAGENET_MEAN, IMAGENET_STD, Input, NormalizedToVectors, PixelsToVectors
from reknow.recognizer import Recognizer
from reknow.writing import failures_named, written_whole

LARGEST_FILE = 2**31 - 1
"""Bytes that Protocol Buffers, and so ONNX, put into one file."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        input: what the graph takes.
        opset: version of ONNX's operators.
        batches: batch sizes that were compared with torch.
        deviation: largest absolute difference of a component, over all of them.
        size: of the file, in bytes.
        metadata: what the file says about itself.
    """

    path: Path
    input: Input
    opset: int
    batches: tuple[int, ...]
    deviation: float
    size: int
    metadata: dict[str, str]


def export_onnx(recognizer: Recognizer, path: Path, input: Input = "normalized") -> Exported:
    """Write a recognizer as an ONNX file, beside and then renamed, if it agrees with torch.

    Args:
        recognizer: on any device, in any precision.
        path: the file; must be new, in a folder that exists, and end in ``.onnx``.
        input: what the graph shall take.

    Raises:
        MissingExtra: `reknow[export]` is not installed.
        ExportError: an unknown input; a file that exists, cannot be written or would be too large; a network that
            joins several spectra, that cannot be translated, or whose translation differs from torch. Nothing is left
            behind then.
    """
    path = Path(path)
    with failures_named(path, ExportError):
        _refuse(recognizer, path, input)
    onnx, runtime = _extras()
    with written_whole(path, ExportError) as beside:
        beside.touch()  # a folder that takes no files is found before the work
        preprocessing = recognizer.preprocessing
        network = copy.deepcopy(recognizer.network).cpu().float().eval()
        reference = PixelsToVectors(network, preprocessing).eval()
        model = reference if input == "pixels" else NormalizedToVectors(network, preprocessing).eval()
        proto = _translated(model, preprocessing.size, path)
        metadata = _metadata(recognizer, input)
        onnx.helper.set_model_props(proto, metadata)
        onnx.save_model(proto, beside)
        differs = deviation(reference, _session(runtime, beside, path), preprocessing.size, input)
        if not differs <= LARGEST_DEVIATION:  # so written, NaN is refused too
            raise ExportError(
                path,
                found=f"vectors that differ from torch's by up to {differs:.2g}, so it was not kept",
                expected=f"at most {LARGEST_DEVIATION:g}",
                remedy="Report it with the versions of torch, onnx and onnxruntime; another version may translate it.",
            )
        size = beside.stat().st_size
    opset = next(opset.version for opset in proto.opset_import if opset.domain == "")
    return Exported(path, input, opset, BATCHES, differs, size, metadata)


def _refuse(recognizer: Recognizer, path: Path, input: str) -> None:
    """What is wrong is said before the work.

    Raises:
        ExportError: see :func:`export_onnx`.
    """
    if input not in get_args(Input):
        raise ExportError("input", found=f"'{input}'", remedy=nearest(input, get_args(Input)))
    if path.is_dir():
        raise ExportError(path, found="is a folder", remedy=f"Name a file in it, such as {path / 'recognizer.onnx'}.")
    if path.suffix.lower() != ".onnx":
        raise ExportError(
            path,
            found=f"the name ends in '{path.suffix}'" if path.suffix else "the name has no ending",
            expected=".onnx, by which programs know what it is",
            remedy=f"Name it {path.with_name(path.name + '.onnx').name}.",
        )
    if path.exists() or path.is_symlink():
        raise ExportError(path, found="already exists", remedy="Name another file with --out, or move this one away.")
    if not path.parent.is_dir():
        raise ExportError(
            path, found=f"there is no folder {path.parent}", remedy="Make it first, or name another file with --out."
        )
    spectra = recognizer.network.spectra
    if len(spectra) > 1:
        raise ExportError(
            path,
            found=f"the network joins {len(spectra)} spectra ({', '.join(spectra)})",
            expected="a network that looks at one",
            remedy="Embed with this package: reknow embed, or Recognizer.embed.",
        )
    weights = sum(4 * value.numel() for value in recognizer.network.state_dict().values())
    if weights > LARGEST_FILE:
        raise ExportError(
            path,
            found=f"weights of {weights / 1e9:.1f} GB in 32 bit",
            expected=f"at most {LARGEST_FILE / 1e9:.1f} GB, which is what one ONNX file can hold",
            remedy="Export a smaller network.",
        )


def _extras() -> tuple[Any, Any]:
    """The modules onnx and onnxruntime."""
    try:
        import_module("onnxscript")  # torch's exporter needs it
        return import_module("onnx"), import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtra("export", "export to ONNX") from error


def _translated(model: PixelsToVectors | NormalizedToVectors, size: tuple[int, int], where: Path) -> Any:
    """The model as an ``onnx.ModelProto``."""
    bytes_in = isinstance(model, PixelsToVectors)
    example = torch.zeros(2, *size, 3, dtype=torch.uint8) if bytes_in else torch.zeros(2, 3, *size)
    batch = {"images": {0: torch.export.Dim("batch")}}
    try:
        # In two steps: torch.onnx.export alone falls back to a graph of fixed batch where it fails on a dynamic one.
        with torch.no_grad():
            program = torch.export.export(model, (example,), dynamic_shapes=batch)
            translated = torch.onnx.export(
                program, input_names=["images"], output_names=["embeddings"], dynamic_shapes=batch, verbose=False
            )
        assert translated is not None
        return translated.model_proto
    except Exception as error:  # whatever the exporter raises, this network is not for it
        raise ExportError(
            where,
            found=f"torch cannot translate this {type(model.network.trunk).__name__} ({_first_line(error)})",
            remedy="Report it with the version of torch; another version may translate it.",
        ) from error


def _session(runtime: Any, file: Path, where: Path) -> Any:
    """The file, loaded by onnxruntime."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen kinds, without a common root
        raise ExportError(
            where,
            found=f"ONNX Runtime does not take what torch wrote ({_first_line(error)}), so it was not kept",
            remedy="Report it with the versions of torch, onnx and onnxruntime; another version may take it.",
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _metadata(recognizer: Recognizer, input: Input) -> dict[str, str]:
    """What the file says about itself; ONNX keeps strings only."""
    card, preprocessing = recognizer.card, recognizer.preprocessing
    height, width = preprocessing.size
    filtered = "" if preprocessing.interpolation == "nearest" else ", antialiased"
    layout, normalization = {
        "normalized": (
            "float32 (batch, 3, height, width)",
            f"outside: (RGB / 255 - {list(IMAGENET_MEAN)}) / {list(IMAGENET_STD)}, ImageNet's, as for any network",
        ),
        "pixels": ("uint8 (batch, height, width, 3)", "inside; bytes from 0 to 255 go in"),
    }[input]
    return {
        "name": card.name,
        "input": input,
        "layout": layout,
        "height": str(height),
        "width": str(width),
        "color": "RGB",
        "normalization": normalization,
        "resizing": f"outside: {preprocessing.interpolation}{filtered}, as Pillow's Image.resize",
        "embedding_size": str(recognizer.dim),
        "camera": "unknown: the mean of the camera table" if recognizer.cameras else "not looked at",
        "spectrum": recognizer.network.spectra[0],
        "recognizer_fingerprint": recognizer.fingerprint,
        "trained_on": card.trained_on,
        "data_fingerprint": card.data_fingerprint,
        "license": card.license,
        "intended_use": card.intended_use,
        "limits": card.limits,
    }
