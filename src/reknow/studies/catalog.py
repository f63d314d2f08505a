"""Catalog: every study by name."""

from __future__ import annotations

from collections.abc import Callable

from reknow.errors import RecipeError, nearest
from reknow.studies import start
from reknow.studies.editor import components as editor
from reknow.studies.editor import frequency as editor_frequency
from reknow.studies.editor import keep as editor_keep
from reknow.studies.editor import larger as editor_larger
from reknow.studies.editor import masks as editor_masks
from reknow.studies.editor import missing as editor_missing
from reknow.studies.editor import transfer as editor_transfer
from reknow.studies.editor import trunk as editor_trunk
from reknow.studies.rib import beta as rib_beta
from reknow.studies.rib import bound as rib_bound
from reknow.studies.rib import components as rib
from reknow.studies.rib import cross_domain as rib_cross_domain
from reknow.studies.rib import editor as rib_editor
from reknow.studies.rib import hard as rib_hard
from reknow.studies.rib import insertion as rib_insertion
from reknow.studies.rib import occlusion as rib_occlusion
from reknow.studies.rib import searched as rib_searched
from reknow.studies.rib import tcmm as rib_tcmm
from reknow.studies.rib import temperature as rib_temperature
from reknow.studies.sizes import Scale
from reknow.studies.study import Study
from reknow.studies.tcmm import components as tcmm
from reknow.studies.tcmm import dbscan as tcmm_dbscan
from reknow.studies.tcmm import elsewhere as tcmm_elsewhere
from reknow.studies.tcmm import hard as tcmm_hard
from reknow.studies.tcmm import large as tcmm_large
from reknow.studies.tcmm import noise_rate as tcmm_noise_rate
from reknow.studies.tcmm import scale as tcmm_scale

STUDIES: dict[str, Callable[[Scale], Study]] = {
    "editor": editor.study,
    "editor-frequency": editor_frequency.study,
    "editor-keep": editor_keep.study,
    "editor-larger": editor_larger.study,
    "editor-masks": editor_masks.study,
    "editor-missing": editor_missing.study,
    "editor-transfer": editor_transfer.study,
    "editor-trunk": editor_trunk.study,
    "rib": rib.study,
    "rib-beta": rib_beta.study,
    "rib-bound": rib_bound.study,
    "rib-cross-domain": rib_cross_domain.study,
    "rib-editor": rib_editor.study,
    "rib-hard": rib_hard.study,
    "rib-insertion": rib_insertion.study,
    "rib-occlusion": rib_occlusion.study,
    "rib-searched": rib_searched.study,
    "rib-tcmm": rib_tcmm.study,
    "rib-temperature": rib_temperature.study,
    "start": start.study,
    "tcmm": tcmm.study,
    "tcmm-dbscan": tcmm_dbscan.study,
    "tcmm-elsewhere": tcmm_elsewhere.study,
    "tcmm-hard": tcmm_hard.study,
    "tcmm-large": tcmm_large.study,
    "tcmm-noise-rate": tcmm_noise_rate.study,
    "tcmm-scale": tcmm_scale.study,
}
"""Each study's function. A new study is a line here; a method's bare name is its study of components."""


def study_named(name: str, scale: Scale) -> Study:
    """The study that a user called by name.

    Raises:
        RecipeError: no such study; the message names the nearest.
    """
    if name not in STUDIES:
        raise RecipeError(f"study '{name}'", found="no such study", remedy=nearest(name, STUDIES))
    return STUDIES[name](scale)
