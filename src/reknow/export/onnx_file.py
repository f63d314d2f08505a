"""The ONNX file: written beside the final place and then renamed, if it agrees with torch. Decisions:

- Height and width are fixed in the file, because programs read from it to which size they must resize.
- Resizing stays outside. Pillow's antialiased filters have no counterpart among ONNX operators, and a network gives
  other vectors for other pixels than those it was trained with. The file's metadata says how to resize.
- A network with a camera table is exported for an unknown camera, the mean of its table; the metadata says so.
- A network that joins several spectra is refused: its computation depends on which spectra an observation has, and
  torch.export does not support such branches.
- Weights and arithmetic are 32 bit, whatever precision the recognizer computes in.
- The file runs in onnxruntime, fed as users feed it, and is compared with torch from bytes: pictures of noise and
  pictures with structure, in batches of 1, 2 and 8. So an exporter that fixes the batch or translates an operator
  wrongly is detected, and so is a wrong normalization.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import UInt8

from reknow.errors import ExportError, MissingExtra, nearest
from reknow.export.graph import IMAGENET_MEAN, IMAGENET_STD, Input, NormalizedToVectors, PixelsToVectors, as_input
from reknow.recognizer import Recognizer
from reknow.writing import failures_named, written_whole

BATCHES = (1, 2, 8)
"""The batch sizes that are compared with torch."""

LARGEST_DEVIATION = 1e-4
"""Per component of a unit vector. The shipped network, ViT-S, ResNet-50 and OSNet differ by 2e-6 at most."""

LARGEST_FILE = 2**31 - 1
"""Bytes that Protocol Buffers, and so ONNX, put into one file."""


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        path: the file.
        input: the kind of input that the graph takes.
        opset: version of ONNX's operators.
        batches: batch sizes that were compared with torch.
        deviation: largest absolute difference of a component, over all of them.
        size: of the file, in bytes.
        metadata: the file's description of itself.
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
        input: the kind of input that the graph takes.

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
        beside.touch()  # a folder that cannot be written fails before the work
        preprocessing = recognizer.preprocessing
        network = copy.deepcopy(recognizer.network).cpu().float().eval()
        reference = PixelsToVectors(network, preprocessing).eval()
        model = reference if input == "pixels" else NormalizedToVectors(network, preprocessing).eval()
        proto = _translated(model, preprocessing.size, path)
        metadata = _metadata(recognizer, input)
        onnx.helper.set_model_props(proto, metadata)
        onnx.save_model(proto, beside)
        difference = deviation(reference, _session(runtime, beside, path), preprocessing.size, input)
        if not difference <= LARGEST_DEVIATION:  # so written, NaN is refused too
            raise ExportError(
                path,
                found=f"vectors that differ from torch's by up to {difference:.2g}, so it was not kept",
                expected=f"at most {LARGEST_DEVIATION:g}",
                remedy="Report it with the versions of torch, onnx and onnxruntime; another version may translate it.",
            )
        size = beside.stat().st_size
    opset = next(opset.version for opset in proto.opset_import if opset.domain == "")
    return Exported(path, input, opset, BATCHES, difference, size, metadata)


def _refuse(recognizer: Recognizer, path: Path, input: str) -> None:
    """Refuse before the work what cannot be exported.

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
            expected="a network that reads one",
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
    except Exception as error:  # the exporter raises many kinds of errors for networks that it does not support
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
    except Exception as error:  # onnxruntime has a dozen kinds of errors without a common base class
        raise ExportError(
            where,
            found=f"ONNX Runtime does not take what torch wrote ({_first_line(error)}), so it was not kept",
            remedy="Report it with the versions of torch, onnx and onnxruntime; another version may take it.",
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _metadata(recognizer: Recognizer, input: Input) -> dict[str, str]:
    """The file's description of itself; ONNX keeps strings only."""
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
        "camera": "unknown: the mean of the camera table" if recognizer.cameras else "not used",
        "spectrum": recognizer.network.spectra[0],
        "recognizer_fingerprint": recognizer.fingerprint,
        "trained_on": card.trained_on,
        "data_fingerprint": card.data_fingerprint,
        "license": card.license,
        "intended_use": card.intended_use,
        "limits": card.limits,
    }


def deviation(reference: PixelsToVectors, session: Any, size: tuple[int, int], input: Input) -> float:
    """Largest difference of a component between the file's vectors and torch's; NaN if a component is NaN."""
    deviations = []
    for pictures in (noise(max(BATCHES), size), structured(max(BATCHES), size)):
        for batch in BATCHES:
            images = pictures[-batch:]
            with torch.inference_mode():
                expected = reference(torch.from_numpy(images)).numpy()
            (vectors,) = session.run(["embeddings"], {"images": as_input(images, input)})
            deviations.append(np.abs(vectors - expected).max())
    return float(np.max(deviations))


def noise(count: int, size: tuple[int, int]) -> UInt8[np.ndarray, "count height width 3"]:
    """Pictures of random pixels, the same in every call."""
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def structured(count: int, size: tuple[int, int]) -> UInt8[np.ndarray, "count height width 3"]:
    """Pictures with structure: one flat color, ramps, edges, stripes; each in other colors."""
    rows, columns = np.meshgrid(*(np.linspace(0, 1, edge) for edge in size), indexing="ij")
    shapes = [
        np.zeros(size), rows, columns, rows > 0.5, np.hypot(rows - 0.5, columns - 0.5) < 0.3,
        np.sin(40 * rows) > 0, (np.sin(20 * rows) > 0) ^ (np.sin(20 * columns) > 0), np.ones(size),
    ]  # fmt: skip
    dark, bright = np.random.default_rng(1).integers(0, 256, (2, count, 1, 1, 3))
    shape = np.stack([shapes[number % len(shapes)] for number in range(count)])[..., None]
    return (dark + shape * (bright - dark)).astype(np.uint8)
