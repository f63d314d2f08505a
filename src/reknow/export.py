"""Export to ONNX: a recognizer as one file that runs without this package and without torch.

The graph takes ``images``, (batch, height, width, 3) uint8 in RGB order at the recognizer's own size, and gives
``embeddings``, (batch, D) float32 rows of length 1; the batch is of any size. Normalization is inside. Decisions:

- Resizing stays outside. Pillow's antialiased filters have no counterpart among ONNX operators, and a network that
  sees other pixels than it was trained with gives other vectors. The file's metadata says how to resize.
- A network with a camera table is exported for an unknown camera, the mean of its table; the metadata say so. One that
  joins several spectra is exported for pictures of its first, where it takes these alone.
- Weights and arithmetic are 32 bit, whatever precision the recognizer computes in.
- A file is kept only if onnxruntime gives the vectors that torch gives, on pictures of noise and of flat surfaces and
  edges, in batches of 1, 2 and 8. An exporter that fixes the batch or translates an operator wrongly shows here.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from reknow.data.transforms import Preprocessing
from reknow.errors import ExportError, MissingExtra
from reknow.models.network import Network
from reknow.recognizer import Recognizer
from reknow.writing import written_whole

BATCHES = (1, 2, 8)
"""Batch sizes that are compared with torch."""

LARGEST_DEVIATION = 1e-4
"""Per component of a unit vector. The shipped network, ViT-S, ResNet-50 and OSNet differ by 2e-6 at most."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        opset: version of ONNX's operators.
        batches: batch sizes that were compared with torch.
        deviation: largest absolute difference of a component, over all of them.
        size: of the file, in bytes.
        metadata: what the file says about itself.
    """

    path: Path
    opset: int
    batches: tuple[int, ...]
    deviation: float
    size: int
    metadata: dict[str, str]


class PixelsToVectors(nn.Module):
    """A recognizer without its resizing: what the exported graph computes.

    Args:
        network: in eval mode, on the CPU.
        preprocessing: gives the normalization.
    """

    def __init__(self, network: Network, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.preprocessing = preprocessing

    def forward(self, images: UInt8[Tensor, "batch height width 3"]) -> Float[Tensor, "batch dim"]:
        """(B, H, W, 3) to (B, D) rows of length 1."""
        return self.network(self.preprocessing.normalize(images))


def export_onnx(recognizer: Recognizer, path: Path) -> Exported:
    """Write a recognizer as an ONNX file, beside and then renamed, if it agrees with torch.

    Args:
        recognizer: on any device, in any precision.
        path: the file; must be new.

    Raises:
        MissingExtra: `reknow[export]` is not installed.
        ExportError: the file exists or cannot be written, the network cannot be translated, or its translation
            differs from torch. Nothing is left behind then.
    """
    path = Path(path)
    if path.exists():
        raise ExportError(path, found="already exists", remedy="Name another file with --out, or move this one away.")
    onnx, runtime = _extras()
    network = copy.deepcopy(recognizer.network).cpu().float().eval()
    model = PixelsToVectors(network, recognizer.preprocessing).eval()
    metadata = _metadata(recognizer)
    proto = _translated(model, recognizer.preprocessing.size, path)
    onnx.helper.set_model_props(proto, metadata)
    try:
        with written_whole(path) as beside:
            onnx.save_model(proto, beside)
            deviation = _deviation(model, _session(runtime, beside, path), recognizer.preprocessing.size)
            if not deviation <= LARGEST_DEVIATION:  # so written, NaN is refused too
                raise ExportError(
                    path,
                    found=f"vectors that differ from torch's by up to {deviation:.2g}, so it was not kept",
                    expected=f"at most {LARGEST_DEVIATION:g}",
                    remedy="Report it with the versions of torch, onnx and onnxruntime; "
                    "another version may translate it.",
                )
            size = beside.stat().st_size
    except OSError as error:
        raise ExportError(
            path, found=f"it cannot be written ({error})", remedy="Check the folder, its permissions and the disk."
        ) from error
    opset = next(opset.version for opset in proto.opset_import if opset.domain == "")
    return Exported(path, opset, BATCHES, deviation, size, metadata)


def _extras() -> tuple[Any, Any]:
    """The modules onnx and onnxruntime."""
    try:
        import_module("onnxscript")  # torch's exporter needs it
        return import_module("onnx"), import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtra("export", "export to ONNX") from error


def _translated(model: PixelsToVectors, size: tuple[int, int], where: Path) -> Any:
    """The model as an ``onnx.ModelProto``."""
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
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


def _deviation(model: PixelsToVectors, session: Any, size: tuple[int, int]) -> float:
    """Largest difference of a component between the file's vectors and torch's; NaN if there is one among them."""
    deviations = []
    for pictures in (noise(max(BATCHES), size), structured(max(BATCHES), size)):
        for batch in BATCHES:
            images = pictures[-batch:]
            with torch.inference_mode():
                expected = model(torch.from_numpy(images)).numpy()
            (found,) = session.run(["embeddings"], {"images": images})
            deviations.append(np.abs(found - expected).max())
    return float(np.max(deviations))


def noise(count: int, size: tuple[int, int]) -> UInt8[np.ndarray, "count height width 3"]:
    """Pictures of random pixels, always the same ones."""
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def structured(count: int, size: tuple[int, int]) -> UInt8[np.ndarray, "count height width 3"]:
    """Pictures of what noise has not: one flat color, ramps, edges, stripes; each in other colors."""
    rows, columns = np.meshgrid(*(np.linspace(0, 1, edge) for edge in size), indexing="ij")
    shapes = [
        np.zeros(size), rows, columns, rows > 0.5, np.hypot(rows - 0.5, columns - 0.5) < 0.3,
        np.sin(40 * rows) > 0, (np.sin(20 * rows) > 0) ^ (np.sin(20 * columns) > 0), np.ones(size),
    ]  # fmt: skip
    dark, bright = np.random.default_rng(1).integers(0, 256, (2, count, 1, 1, 3))
    shape = np.stack([shapes[number % len(shapes)] for number in range(count)])[..., None]
    return (dark + shape * (bright - dark)).astype(np.uint8)


def _metadata(recognizer: Recognizer) -> dict[str, str]:
    """What the file says about itself; ONNX keeps strings only."""
    card, preprocessing = recognizer.card, recognizer.preprocessing
    height, width = preprocessing.size
    return {
        "name": card.name,
        "embedding_size": str(recognizer.dim),
        "height": str(height),
        "width": str(width),
        "color": "RGB, 0 to 255; normalization is inside",
        "resizing": f"before, outside: {preprocessing.interpolation}, by Pillow's Image.resize",
        "camera": "unknown: the mean of the camera table" if recognizer.cameras else "not looked at",
        "spectrum": recognizer.network.spectra[0],
        "recognizer_fingerprint": recognizer.fingerprint,
        "trained_on": card.trained_on,
        "data_fingerprint": card.data_fingerprint,
        "license": card.license,
        "intended_use": card.intended_use,
        "limits": card.limits,
    }
