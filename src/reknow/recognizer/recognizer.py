"""The recognizer itself: pictures in, unit-norm retrieval vectors out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Sized
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reknow.data.cache import Pictures
from reknow.data.embeddings import Embeddings
from reknow.data.loading import EVALUATION_BATCH_SIZE, evaluation_batches, outputs_of
from reknow.data.manifest import Manifest, encode
from reknow.data.picture_measures import PictureMeasures
from reknow.data.transforms import Preprocessing
from reknow.errors import RecognizerError, ReknowError
from reknow.models.network import Network, NetworkConfig
from reknow.models.transformer import VisionTransformer
from reknow.models.weights import resolve
from reknow.observation import Batch
from reknow.precision import Precision, computing, resolved
from reknow.progress import Progress
from reknow.recognizer.card import Card, known_cameras
from reknow.recognizer.folder import read_folder, write_folder
from reknow.recognizer.pretrained import read_file
from reknow.recognizer.reading import Picture, one_by_one, resized_batches

SHIPPED = Path(__file__).parent.parent / "shipped"
"""The package's own small recognizer, trained with labels on the world's source domain."""


class Recognizer:
    """Pictures in, unit-norm retrieval vectors out.

    Args:
        config: shape of the network.
        network: the network itself, moved to `device` and set to eval mode.
        preprocessing: picture size and normalization that the weights were trained with.
        card: origin and purpose.
        device: where to compute; by default a GPU where there is one.
        precision: ``auto``, ``32`` or ``bf16``; see :mod:`reknow.precision`.

    Raises:
        RecognizerError: a precision that does not exist.
    """

    def __init__(
        self,
        config: NetworkConfig,
        network: Network,
        preprocessing: Preprocessing,
        card: Card,
        device: str | torch.device | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.config = config
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = network.to(self.device).eval()
        self.preprocessing = preprocessing
        self.card = card
        self.requested_precision: Precision = precision
        self.computes_in: Precision = resolved(self.device, precision)
        """``32`` or ``bf16``."""

    @property
    def dim(self) -> int:
        """D, the embedding size."""
        return self.network.dim

    @property
    def cameras(self) -> int:
        """Rows of the network's camera table; 0 where it uses no camera."""
        return known_cameras(self.config)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of weights and preprocessing: vectors compare only where these agree."""
        digest = hashlib.blake2b(repr((self.config, self.preprocessing)).encode(), digest_size=8)
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def precision(self) -> torch.autocast:
        """The context that the network computes in; see :func:`~reknow.precision.resolved`."""
        return computing(self.device, self.computes_in)

    def for_scores(self) -> Recognizer:
        """The same recognizer, in 32 bit unless another precision than ``auto`` was requested."""
        if self.requested_precision != "auto":
            return self
        return Recognizer(self.config, self.network, self.preprocessing, self.card, self.device, "32")

    def at_size(self, size: tuple[int, int]) -> Recognizer:
        """The same recognizer for pictures of another size; a transformer's position table is resized.

        Args:
            size: (height, width) in pixels.

        Raises:
            RecognizerError: a size that the network cannot take.
        """
        if size == self.preprocessing.size:
            return self
        config, network = self.config, self.network
        try:
            if isinstance(network.trunk, VisionTransformer):
                trunk = network.trunk.resized(size)
                config = replace(config, trunk=trunk.config)  # type: ignore[type-var]  # every config is a dataclass
                state = network.state_dict() | {f"trunk.{name}": part for name, part in trunk.state_dict().items()}
                network = config.build()
                network.load_state_dict(state)
            preprocessing = replace(self.preprocessing, size=size)
        except (ReknowError, RuntimeError) as error:
            height, width = self.preprocessing.size
            reason = f"{error.expected}: " if isinstance(error, ReknowError) and error.expected else ""
            raise RecognizerError(
                "size",
                found=f"{size[0]} x {size[1]}",
                expected=f"{reason}a height and a width that this network can take, such as {height} x {width}",
                remedy="Name another size.",
            ) from error
        return Recognizer(config, network, preprocessing, self.card, self.device, self.requested_precision)

    def embed(
        self, images: Picture | Iterable[Picture] | Manifest, camera: Sequence[int] | np.ndarray | None = None
    ) -> Float[np.ndarray, "n dim"]:
        """Embed pictures from anywhere; threads decode and resize ahead of the network.

        Args:
            images: one picture or any number of them, none included: paths, PIL images, (H, W, 3) uint8 arrays or
                (3, H, W) float tensors in [0, 1], in a list or from a generator; a batch as one (N, H, W, 3) array or
                (N, 3, H, W) tensor; or a manifest, whose pictures are then kept in the picture cache.
            camera: N camera codes, -1 where unknown; by default all are unknown and get the mean of the network's
                camera table, except those of a manifest that :meth:`camera_codes` knows. Networks without such a table
                (:attr:`cameras` is 0) ignore them.

        Returns:
            (N, D) float32 unit rows, in order.

        Raises:
            DataError: a file that is missing or no picture; the message names it.
            RecognizerError: something in memory that is no picture, or a picture that the network makes no numbers of;
                the message has its number, counted from 0. Or another number of cameras than of pictures.
        """
        if isinstance(images, Manifest):
            if not len(images):
                return np.empty((0, self.dim), np.float32)
            codes = self.camera_codes(images) if camera is None else camera
            return self.embed_pictures(self.pictures_of(images), codes, annotations=self.annotations(images))
        pictures = one_by_one(images)
        count = len(pictures) if isinstance(pictures, Sized) else None
        codes = None if camera is None else _camera_codes(camera, count)
        vectors, done = [np.empty((0, self.dim), np.float32)], 0
        with closing(resized_batches(pictures, self.preprocessing, EVALUATION_BATCH_SIZE)) as batches:
            for batch in batches:
                first, done = done, done + len(batch)
                if codes is not None and len(codes) < done:
                    raise _other_number(len(codes), f"{done} or more")
                resized = Pictures.from_arrays({self.network.spectra[0]: batch})
                part = None if codes is None else codes[first:done]
                vectors.append(self.embed_pictures(resized, part, counted_from=first))
        if codes is not None and len(codes) != done:
            raise _other_number(len(codes), f"{done}")
        return np.concatenate(vectors)

    def embed_manifest(
        self, manifest: Manifest, progress: Progress | None = None, *, pixels: bool = False, measures: bool = False
    ) -> Embeddings:
        """Embed every observation of a manifest, through the picture cache.

        Args:
            manifest: N rows.
            progress: called with (observations done, observations in all).
            pixels: whether to note which pictures are equal, as scores need; every picture is hashed for it.
            measures: whether to measure size, color and sharpness of every picture, as a check of groups needs.
        """
        pictures = self.pictures_of(manifest)
        codes, annotations = self.camera_codes(manifest), self.annotations(manifest)
        vectors = self.embed_pictures(pictures, codes, annotations=annotations, progress=progress)
        if not vectors.any():
            raise RecognizerError(
                self.card.name,
                found="a network that makes only zeros of every picture",
                expected="vectors of length 1",
                remedy="Its weights are zero or damaged: choose another file or an earlier checkpoint.",
            )
        return Embeddings(
            vectors,
            manifest,
            self.fingerprint,
            pictures.hashes() if pixels else None,
            PictureMeasures.of(pictures, manifest) if measures else None,
        )

    def camera_codes(self, manifest: Manifest) -> Int[np.ndarray, "rows"]:
        """The rows of the network's camera table that a manifest's cameras have; -1, the mean of all, where unknown.

        Cameras are known by name, and only in the data set that the network was trained on: elsewhere a camera "1" is
        another one. Names that the user gave to a file of weights hold in every data set.
        """
        known = self.card.cameras if self.card.dataset in ("", manifest.name) else ()
        return encode(manifest.column("camera"), known)[0]

    def annotations(self, manifest: Manifest) -> Mapping[str, Tensor]:
        """What the network asks for beside pictures, of every row of a manifest: (N, ...) tensors by name."""
        return self.network.annotations(manifest.own_cells(self.network.columns))

    def embed_pictures(
        self,
        pictures: Pictures,
        camera: Sequence[int] | np.ndarray | None = None,
        *,
        annotations: Mapping[str, Tensor] | None = None,
        rows: Int[np.ndarray, "n"] | None = None,
        counted_from: int = 0,
        progress: Progress | None = None,
    ) -> Float[np.ndarray, "n dim"]:
        """Embed pictures that are decoded and resized already.

        Args:
            pictures: of N observations.
            camera: N camera codes, -1 where unknown; by default all are unknown.
            annotations: as :meth:`annotations` makes them; by default those of rows whose other columns are empty.
            rows: which of them to embed; by default all.
            counted_from: number of the first of them, for messages.
            progress: called with (observations done, observations in all).

        Raises:
            RecognizerError: another number of cameras, or an observation that the network makes no numbers of.
        """

        def forward(batch: Batch) -> Tensor:
            with self.precision():
                return self.network(batch)

        rows = np.arange(len(pictures)) if rows is None else rows
        cameras = np.full(len(pictures), -1) if camera is None else _camera_codes(camera, len(pictures))
        if annotations is None:
            annotations = self.network.annotations({name: [None] * len(pictures) for name in self.network.columns})
        batches = evaluation_batches(pictures, rows, cameras, self.preprocessing, self.device, annotations)
        if not len(rows):
            return np.empty((0, self.dim), np.float32)
        return _finite(outputs_of(forward, batches, len(rows), progress).numpy(), counted_from + rows)

    def save(self, folder: Path) -> None:
        """Write the recognizer's folder, beside and then renamed; an existing one is refused.

        Raises:
            RecognizerError: the folder exists, or cannot be written.
        """
        write_folder(Path(folder), self.config, self.network, self.preprocessing, self.card)

    def pictures_of(self, manifest: Manifest, progress: Progress | None = None) -> Pictures:
        """A manifest's pictures at this recognizer's size, before normalization, through the picture cache.

        Raises:
            DataError: no rows, a picture that cannot be read, or a cache that cannot be written.
        """
        size, interpolation = self.preprocessing.size, self.preprocessing.interpolation
        return Pictures.open(manifest, size, interpolation=interpolation, progress=progress)


def load(
    folder: str | Path | None = None, device: str | torch.device | None = None, precision: Precision = "auto"
) -> Recognizer:
    """Load a recognizer.

    Args:
        folder: a recognizer's folder, or a run that holds one; by default the one that the package ships. Or a file of
            weights of a known origin, also by its bare name in the folder that ``REKNOW_WEIGHTS`` names. What the file
            does not tell may follow a question mark: ``w.pth?stride=12&size=256x128``.
        device: where to compute; by default a GPU where there is one.
        precision: ``auto`` is bf16 where the processor has instructions for it; ``32`` makes the vectors of two
            processors compare to the last digits (on a GPU but for convolutions, see :mod:`reknow.precision`), and is
            what scores are made in; ``bf16`` insists.

    Raises:
        RecognizerError: no recognizer there, or a damaged one.
        WeightsError: a file that holds no weights, or those of an unknown origin.

    Example:
        >>> recognizer = load()
        >>> recognizer.embed(np.zeros((128, 64, 3), np.uint8)).shape == (1, recognizer.dim)
        True
    """
    file = None if folder is None else resolve(str(folder))
    parts = read_folder(SHIPPED if folder is None else Path(folder)) if file is None else read_file(file)
    return Recognizer(*parts, device, precision)


def _finite(vectors: Float[np.ndarray, "n dim"], rows: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n dim"]:
    """The same vectors; NaN would compare with nothing, and no table of distances would tell."""
    wrong = np.flatnonzero(~np.isfinite(vectors.sum(axis=1)))
    if len(wrong):
        raise RecognizerError(
            f"picture {rows[wrong[0]]}, counted from 0",
            found=f"the network makes NaN or infinity of it, and of {len(wrong) - 1} more of {len(vectors)}",
            expected="a vector of length 1",
            remedy="In training, lower the learning rate. Otherwise compute in 32 bit (precision '32'); if that does "
            "not help, the weights are damaged.",
        )
    return vectors


def _camera_codes(camera: Sequence[int] | np.ndarray, count: int | None) -> Int[np.ndarray, "n"]:
    """Camera codes as a user gave them, checked; `count` is the number of pictures where it is known."""
    codes = np.asarray(camera)
    if codes.ndim != 1 or (len(codes) and codes.dtype.kind not in "iu"):
        raise RecognizerError(
            "camera",
            found=f"{codes.dtype} of shape {codes.shape}",
            expected="one whole number per picture",
            remedy="Give the codes that the training data had, -1 where unknown, or leave cameras out.",
        )
    if count is not None and len(codes) != count:
        raise _other_number(len(codes), f"{count}")
    return codes.astype(np.int64)


def _other_number(codes: int, pictures: str) -> RecognizerError:
    return RecognizerError(
        "camera",
        found=f"{codes} camera codes",
        expected=f"{pictures}, one per picture",
        remedy="Give -1 where a camera is unknown, or leave cameras out.",
    )
