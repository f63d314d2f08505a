"""Explain attention: what a run attends to, or two runs on the same pictures, and how much of it lies on the object.

Networks run as in evaluation, in 32 bit, so that the shares of two machines compare. On the synthetic world it is known
which pixels show the object (:mod:`reknow.explain.patches`); other pictures have maps and no share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from reknow.data.cache import Pictures
from reknow.data.formats import open_dataset
from reknow.data.loading import evaluation_batches
from reknow.data.manifest import Manifest
from reknow.errors import DataError, RunError
from reknow.explain.attention_explanation import AttentionExplanation
from reknow.explain.attention_maps import AttentionMaps, checked_layer, maps_of_batch
from reknow.explain.patches import ObjectMasks, is_known, object_masks
from reknow.explain.precision_recall import Share, share_of
from reknow.explain.sample import OBSERVATIONS_SHOWN, sampled
from reknow.observation import SPECTRA, Spectrum
from reknow.progress import Progress
from reknow.recognizer import Recognizer, load
from reknow.training.run import Run

_UNKNOWN = "There is no share: which pixels show the object is known of whole pictures of the synthetic world alone."


def explain_attention(
    runs: Sequence[Run],
    data: str | None = None,
    *,
    layer: str | None = None,
    occluded: bool = False,
    shown: int = OBSERVATIONS_SHOWN,
    progress: Progress | None = None,
) -> AttentionExplanation:
    """What one finished run attends to, or two on the same pictures.

    Args:
        runs: one or two.
        data: ``FORMAT:PATH`` of the pictures; by default the runs' own data.
        layer: of convolutional networks, the stage whose map is shown, such as ``layer4``; by default the last.
        occluded: whether to leave out pictures in which nothing stands before the object.
        shown: observations that will be drawn.
        progress: called with (observations done, observations in all), once for each network.

    Raises:
        RunError: not one or two different runs, runs on different data, or see
            :func:`~reknow.explain.attention_maps.checked_layer` and :func:`attention_in`.
        RecognizerError: a run that is not finished.
        DataError: data that cannot be read, or see :func:`attention_in`.

    Example:
        >>> explain_attention([])
        Traceback (most recent call last):
        ...
        reknow.errors.RunError: runs: 0; expected one, or two to compare. Name one or two runs.
    """
    if not 1 <= len(runs) <= 2:
        raise RunError("runs", found=str(len(runs)), expected="one, or two to compare", remedy="Name one or two runs.")
    recipes = [run.recipe() for run in runs]
    recognizers = dict(zip(_names(runs), (load(run.folder) for run in runs), strict=True))
    manifests = [open_dataset(name) for name in dict.fromkeys([data] if data else [each.data for each in recipes])]
    if len(manifests) > 1 and not _same_pictures(*(_sample(recognizers, manifest, shown) for manifest in manifests)):
        raise RunError(
            runs[1].folder,
            found=f"a run on {recipes[1].data}, while {runs[0].folder} is one on {recipes[0].data}",
            expected="two runs with the same test pictures",
            remedy="Name the pictures for both with --data.",
        )
    return attention_in(recognizers, manifests[0], layer=layer, occluded=occluded, shown=shown, progress=progress)


def attention_in(
    recognizers: Mapping[str, Recognizer],
    manifest: Manifest,
    *,
    layer: str | None = None,
    occluded: bool = False,
    shown: int = OBSERVATIONS_SHOWN,
    progress: Progress | None = None,
) -> AttentionExplanation:
    """What one or two recognizers attend to in the same observations.

    Args:
        recognizers: by name; the change is the last minus the first.
        manifest: any data set; its test rows are used, without these its training rows.
        layer, occluded, shown, progress: see :func:`explain_attention`.

    Raises:
        RunError: see :func:`~reknow.explain.attention_maps.checked_layer` and
            :func:`~reknow.explain.attention_maps.maps_of_batch`; networks without a spectrum in common; or a layer, but
            no convolutional network.
        DataError: see :func:`~reknow.explain.sample.sampled`; or occluded pictures are asked for, and there are none or
            this is not known.
    """
    layers = {name: checked_layer(each.network, layer, name) for name, each in recognizers.items()}
    if layer is not None and not any(layers.values()):
        raise RunError(
            f"layer '{layer}'",
            found="no convolutional network",
            expected="one, since rollout goes through all blocks of a transformer",
            remedy="Leave out --layer.",
        )
    sample = _sample(recognizers, manifest, shown)
    spectra = _common_spectra(recognizers)
    masks, notes = None, (_UNKNOWN,)
    if is_known(sample, spectra):
        masks, notes = object_masks(sample, spectra), ()
    if occluded:
        rows = _occluded_rows(sample, masks)
        sample, masks = sample.select(rows), masks and masks.select(rows)
    if masks is None:
        sample = sample.select(np.arange(min(shown, len(sample))))
    pictures = next(iter(recognizers.values())).pictures_of(sample)
    networks = {
        name: _maps(recognizer, sample, spectra, layers[name], name, progress)
        for name, recognizer in recognizers.items()
    }
    nowhere, blank = np.zeros(len(sample), dtype=bool), np.zeros_like(next(iter(pictures.images.values())))
    return AttentionExplanation(
        names=tuple(sample.column("observation")),
        pictures={name: np.asarray(pictures.images.get(name, blank)) for name in spectra},
        present={name: pictures.present.get(name, nowhere) for name in spectra},
        networks=networks,
        masks=masks,
        share=None if masks is None else _on_object(networks, masks),
        notes=notes,
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """The folders' names, or whole paths where these are equal."""
    places = [run.folder.resolve() for run in runs]
    if len(set(places)) < len(places):
        raise RunError(
            runs[1].folder,
            found="the same run twice",
            expected="two different runs",
            remedy="Name another run beside it, or one alone.",
        )
    names = [place.name for place in places]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]


def _common_spectra(recognizers: Mapping[str, Recognizer]) -> tuple[Spectrum, ...]:
    read = {name: recognizer.network.spectra for name, recognizer in recognizers.items()}
    common: tuple[Spectrum, ...] = tuple(name for name in SPECTRA if all(name in spectra for spectra in read.values()))
    if not common:
        raise RunError(
            " and ".join(read),
            found="; ".join(f"{name} reads {', '.join(spectra)}" for name, spectra in read.items()),
            expected="a spectrum that both read",
            remedy="Explain them one by one.",
        )
    return common


def _sample(recognizers: Mapping[str, Recognizer], manifest: Manifest, shown: int) -> Manifest:
    return sampled(manifest, _common_spectra(recognizers), shown)


def _same_pictures(first: Manifest, second: Manifest) -> bool:
    columns = ("crop", *SPECTRA)
    return first.root.resolve() == second.root.resolve() and all(
        first.column(name) == second.column(name) for name in columns
    )


def _occluded_rows(sample: Manifest, masks: ObjectMasks | None) -> np.ndarray:
    remedy = "Leave out --occluded, or name pictures that are: --data 'world:target?occlusion=1'"
    if masks is None:
        raise DataError(
            sample.name,
            found="pictures without a mask, so it is not known what stands before the object",
            expected="whole pictures of the synthetic world",
            remedy=remedy,
        )
    rows = np.flatnonzero(masks.occluded)
    if not len(rows):
        raise DataError(
            sample.name, found=f"no occluded picture among the {len(sample)} that were drawn", remedy=remedy
        )
    return rows


def _maps(
    recognizer: Recognizer,
    sample: Manifest,
    spectra: Sequence[Spectrum],
    layer: str,
    name: str,
    progress: Progress | None,
) -> AttentionMaps:
    recognizer = recognizer.for_scores()
    pictures: Pictures = recognizer.pictures_of(sample)
    cameras, annotations = recognizer.camera_codes(sample), recognizer.annotations(sample)
    rows, done = np.arange(len(sample)), 0
    grid: tuple[int, int] = (0, 0)
    values: dict[Spectrum, np.ndarray] = {}
    for batch in evaluation_batches(pictures, rows, cameras, recognizer.preprocessing, recognizer.device, annotations):
        for spectrum, maps in maps_of_batch(recognizer.network, batch, layer, name).items():
            grid = (maps.shape[1], maps.shape[2])
            whole = values.setdefault(spectrum, np.zeros((len(sample), prod(grid)), dtype=np.float32))
            whole[done : done + len(batch)] = maps.flatten(1).numpy()
        done += len(batch)
        if progress is not None:
            progress(done, len(sample))
    nothing = np.zeros((len(sample), prod(grid)), dtype=np.float32)
    kind = "class activation" if layer else "rollout"
    return AttentionMaps(
        kind=kind, layer=layer, grid=grid, values={name: values.get(name, nothing) for name in spectra}
    )


def _on_object(networks: Mapping[str, AttentionMaps], masks: ObjectMasks) -> Share:
    """How much of the attention lies on the object, and how much of a uniform map's would."""
    inside = {name: masks.object_share(maps.grid) for name, maps in networks.items()}
    values = {name: maps.share_on(inside[name]) for name, maps in networks.items()}
    uniform = {name: maps.uniform_share_on(inside[name]) for name, maps in networks.items()}
    return share_of("attention_on_object", "Attention on the object", values, uniform)
