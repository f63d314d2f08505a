"""What EDITOR says of the patches that it keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from reknow.methods.editor.method import EditorConfig
from reknow.methods.editor.network import EditorNetworkConfig
from reknow.methods.selected import joined
from reknow.observation import Batch

CONFIG = EditorConfig()


def test_the_sets_are_what_the_network_itself_selects(config: EditorNetworkConfig, batch: Batch) -> None:
    network = config.build().eval()
    with torch.inference_mode():
        found, own = CONFIG.selected_patches(network, batch), network.outputs(batch).selected
    assert found is not None and found.scores is not None and found.drops
    assert found.grid == (4, 2) and [one.name for one in found.sets] == ["kept", "spatial", "frequency"]
    for name in ("rgb", "nir", "tir"):
        for one in found.sets:
            assert np.array_equal(one.patches[name], getattr(own, one.name)[name].numpy())
        # Each head of a spectrum keeps its largest: no other patch may have more in both.
        heads = own.attention[name].numpy()
        assert np.allclose(found.scores.values[name], heads.mean(1))
        assert np.array_equal(found["spatial"].patches[name], (heads == heads.max(2, keepdims=True)).any(1))


def test_a_batch_in_parts_selects_the_same(config: EditorNetworkConfig, batch: Batch) -> None:
    network = config.build().eval()
    with torch.inference_mode():
        whole, *parts = (CONFIG.selected_patches(network, rows) for rows in (batch, batch[:3], batch[3:]))
    together = joined([part for part in parts if part is not None])
    assert whole is not None and whole.scores is not None and together.scores is not None
    for name in whole.spectra:
        assert np.array_equal(together["kept"].patches[name], whole["kept"].patches[name])
        assert np.allclose(together.scores.values[name], whole.scores.values[name])


def test_a_network_that_looks_at_no_attention_has_an_empty_rollout(config: EditorNetworkConfig, batch: Batch) -> None:
    for selection in (replace(config.selection, rule="everything"), replace(config.selection, head_keep=0)):
        network = replace(config, selection=selection, spectra=("nir",)).build().eval()
        with torch.inference_mode():
            found = CONFIG.selected_patches(network, batch)
        assert found is not None and found.scores is not None and found.spectra == ("nir",)
        assert not found.scores.values["nir"].any() and not found["spatial"].patches["nir"].any()
        assert found["kept"].patches["nir"].all() == (selection.rule == "everything")


def test_it_selects_for_its_aggregation_or_its_background_consistency_or_not_at_all(
    config: EditorNetworkConfig, batch: Batch
) -> None:
    alone = replace(config, aggregate=False)
    weightless = EditorConfig(background_weight=0.0, center_weight=0.0)
    assert CONFIG.selects_patches(config) and CONFIG.selects_patches(alone) and weightless.selects_patches(config)
    assert not weightless.selects_patches(alone)
    assert weightless.selected_patches(alone.build(), batch) is None
