"""Recognizer: a trained network together with its preprocessing. This is what users import.

On disk it is a folder: ``model.safetensors`` (weights), ``recognizer.json`` (shape of the network, preprocessing,
card) and ``README.md`` (the card in words). Preprocessing belongs to the weights, so it travels with them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from reknow.data.batch import Batch
from reknow.data.cache import Pictures
from reknow.data.embeddings import Embeddings
from reknow.data.loading import load_batches
from reknow.data.manifest import Manifest
from reknow.data.pictures import read_picture
from reknow.data.sampling import sequential_batches
from reknow.data.transforms import Preprocessing
from reknow.errors import RecognizerError
from reknow.models.embedder import Embedder, EmbedderConfig
from reknow.values import from_plain, to_plain

Picture = str | Path | Image.Image | np.ndarray | Tensor
Progress = Callable[[int, int], None]

EMBEDDED_AT_ONCE = 128
"""Pictures per batch: on two cores 64 to 256 embed equally fast, and more costs memory."""

SHIPPED = Path(__file__).parent / "shipped"
"""The package's own small recognizer, trained with labels on the world's source domain."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Where a recognizer comes from and what it is for.

    Attributes:
        name: method and data set.
        trained_on: the data, as the user named them.
        data_fingerprint: of the training manifest.
        identities: how many identities the data are known to have; 0 where unknown.
        scores: percent, with the protocol in the name.
        license: of the weights.
        intended_use: what it was made for.
        limits: what it must not be trusted with.
    """

    name: str
    trained_on: str = ""
    data_fingerprint: str = ""
    identities: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    license: str = "unstated"
    intended_use: str = "Grouping and searching pictures that resemble the training data."
    limits: str = "Not evaluated on other data. A near vector is a candidate, not proof of identity."


class Recognizer:
    """Pictures in, unit-norm retrieval vectors out.

    Args:
        config: shape of the network.
        network: the network itself, moved to `device` and set to eval mode.
        preprocessing: picture size and normalization that the weights were trained with.
        card: origin and purpose.
        device: where to compute; by default a GPU where there is one.
    """

    def __init__(
        self,
        config: EmbedderConfig,
        network: Embedder,
        preprocessing: Preprocessing,
        card: Card,
        device: str | torch.device | None = None,
    ) -> None:
        self.config = config
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = network.to(self.device).eval()
        self.preprocessing = preprocessing
        self.card = card

    @property
    def dim(self) -> int:
        """D, the embedding size."""
        return self.network.dim

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of weights and preprocessing: vectors compare only where these agree."""
        digest = hashlib.blake2b(repr((self.config, self.preprocessing)).encode(), digest_size=8)
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def embed(
        self, images: Picture | Sequence[Picture], camera: Sequence[int] | None = None
    ) -> Float[np.ndarray, "n dim"]:
        """Embed pictures from anywhere.

        Args:
            images: one picture or several: paths, PIL images, (H, W, 3) uint8 arrays, or (3, H, W) tensors in [0, 1].
            camera: N camera codes of a network with camera embedding; unknown by default.

        Returns:
            (N, D) float32 unit rows.

        Raises:
            DataError: a file that is no picture.
            RecognizerError: something that is not a picture.
        """
        if isinstance(images, str | Path | Image.Image | np.ndarray | Tensor):
            images = [images]
        arrays = np.stack([self.preprocessing.resize(_as_array(picture, i)) for i, picture in enumerate(images)])
        return self.embed_pictures(Pictures.from_arrays({"rgb": arrays}), camera)

    def embed_manifest(self, manifest: Manifest, progress: Progress | None = None) -> Embeddings:
        """Embed every observation of a manifest, through the picture cache."""
        pictures = Pictures.open(manifest, self.preprocessing.size, interpolation=self.preprocessing.interpolation)
        return Embeddings(self.embed_pictures(pictures, progress=progress), manifest, self.fingerprint)

    def embed_pictures(
        self, pictures: Pictures, camera: Sequence[int] | None = None, progress: Progress | None = None
    ) -> Float[np.ndarray, "n dim"]:
        """Embed pictures that are decoded and resized already."""

        def forward(batch: Batch) -> Tensor:
            with self.precision():
                return self.network(batch.images, batch.present, batch.camera)

        cameras = np.full(len(pictures), -1) if camera is None else np.asarray(camera, dtype=np.int64)
        rows = np.arange(len(pictures))
        batches = evaluation_batches(pictures, rows, cameras, self.preprocessing, self.device)
        return embed_batches(forward, batches, len(rows), self.dim, progress).numpy()

    def precision(self) -> torch.autocast:
        """bf16 on a GPU that has it; 32 bit elsewhere, so that vectors of two CPUs compare to the last digit."""
        fast = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=fast)

    def save(self, folder: Path) -> None:
        """Write the recognizer's folder, beside and then renamed; an existing one is refused."""
        folder = Path(folder)
        if folder.exists():
            raise RecognizerError(folder, found="already exists", remedy="Name another folder.")
        beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        try:
            beside.mkdir(parents=True)
            state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
            save_file(state, beside / "model.safetensors")
            content = {
                "network": to_plain(self.config),
                "preprocessing": to_plain(self.preprocessing),
                "card": to_plain(self.card),
            }
            (beside / "recognizer.json").write_text(json.dumps(content, indent=2) + "\n")
            (beside / "README.md").write_text(_card_in_words(self))
            beside.rename(folder)
        except OSError as error:
            raise RecognizerError(
                folder, found=f"could not be written ({error})", remedy="Free space there."
            ) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def load(folder: str | Path | None = None, device: str | torch.device | None = None) -> Recognizer:
    """Load a recognizer.

    Args:
        folder: a recognizer's folder, or a run that holds one; by default the one that the package ships.
        device: where to compute.

    Raises:
        RecognizerError: no recognizer there, or a damaged one.

    Example:
        >>> recognizer = load()
        >>> recognizer.embed(np.zeros((128, 64, 3), np.uint8)).shape == (1, recognizer.dim)
        True
    """
    path = SHIPPED if folder is None else Path(folder)
    if not (path / "recognizer.json").is_file() and (path / "recognizer").is_dir():
        path = path / "recognizer"
    if not (path / "recognizer.json").is_file():
        raise RecognizerError(
            path,
            found="no recognizer.json",
            expected="a recognizer's folder, or a finished run",
            remedy="Check the path; an unfinished run has none yet (continue it with --resume).",
        )
    try:
        content: dict[str, Any] = json.loads((path / "recognizer.json").read_text())
        config = from_plain(content["network"], f"{path}/recognizer.json")
        preprocessing = from_plain(content["preprocessing"], f"{path}/recognizer.json")
        card = from_plain(content["card"], f"{path}/recognizer.json")
        network = config.build()
        network.load_state_dict(load_file(path / "model.safetensors"))
    except (json.JSONDecodeError, KeyError, OSError, SafetensorError, RuntimeError) as error:
        raise RecognizerError(
            path, found=f"damaged ({error})", remedy="Restore the folder from where it was saved."
        ) from error
    return Recognizer(config, network, preprocessing, card, device)


def evaluation_batches(
    pictures: Pictures,
    rows: np.ndarray,
    cameras: np.ndarray,
    preprocessing: Preprocessing,
    device: torch.device | str,
) -> Iterable[Batch]:
    """The given rows in order, without augmentation."""
    batches = [rows[part] for part in sequential_batches(len(rows), EMBEDDED_AT_ONCE)]
    unlabelled = np.full(len(pictures), -1)
    return load_batches(
        pictures,
        batches,
        labels=unlabelled,
        cameras=cameras,
        preprocessing=preprocessing,
        augmentation=None,
        device=device,
    )


@torch.inference_mode()
def embed_batches(
    forward: Callable[[Batch], Tensor], batches: Iterable[Batch], count: int, dim: int, progress: Progress | None = None
) -> Float[Tensor, "rows dim"]:
    """Run a network over batches.

    Args:
        forward: a batch to (B, D) vectors.
        batches: in the order of the result's rows.
        count: rows in all.
        dim: D.
        progress: called with (rows done, rows in all).

    Returns:
        (count, D) float32 on the CPU.
    """
    vectors = torch.empty(count, dim)
    done = 0
    for batch in batches:
        part = forward(batch)
        vectors[done : done + len(part)] = part.float()
        done += len(part)
        if progress is not None:
            progress(done, count)
    return vectors


def _as_array(picture: Picture, number: int) -> np.ndarray:
    """(H, W, 3) uint8 of whatever a user passes."""
    if isinstance(picture, str | Path):
        return read_picture(Path(), str(picture))
    if isinstance(picture, Image.Image):
        return np.asarray(picture.convert("RGB"))
    if isinstance(picture, Tensor) and picture.ndim == 3 and picture.shape[0] == 3:
        picture = (picture.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3:
        return picture
    shape, kind = tuple(getattr(picture, "shape", ())), getattr(picture, "dtype", "")
    raise RecognizerError(
        f"picture {number}",
        found=f"{type(picture).__name__} {kind} {shape}",
        expected="a path, a PIL image, a (H, W, 3) uint8 array or a (3, H, W) tensor in [0, 1]",
        remedy="Convert it first.",
    )


def _card_in_words(recognizer: Recognizer) -> str:
    card, height, width = recognizer.card, *recognizer.preprocessing.size
    scores = "\n".join(f"- {name}: {value:.1f}" for name, value in card.scores.items()) or "- none measured"
    return (
        f"# {card.name}\n\n"
        f"A re-identification recognizer: {recognizer.dim} numbers per picture of {height} x {width}.\n\n"
        f"- trained on: {card.trained_on or 'unstated'} (fingerprint {card.data_fingerprint or 'none'})\n"
        f"- license of the weights: {card.license}\n- intended use: {card.intended_use}\n- limits: {card.limits}\n\n"
        f"Scores in percent:\n{scores}\n"
    )
