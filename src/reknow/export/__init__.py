"""Export to ONNX: a recognizer as one file that runs without this package and without torch.

The graph takes ``images`` at the recognizer's own size, normalized floats or bytes, and gives ``embeddings``,
(batch, D) float32 rows of length 1; the batch is of any size.

- ``graph.py``: the input, and the computation on it;
- ``onnx_file.py``: :func:`export_onnx`, and the comparison of a file with torch.
"""

from reknow.export.graph import IMAGENET_MEAN, IMAGENET_STD, Input, as_input
from reknow.export.onnx_file import Exported, export_onnx

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Exported", "Input", "as_input", "export_onnx"]
