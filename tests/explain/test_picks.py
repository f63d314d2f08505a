"""What is picked is what the network itself selects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from reknow.explain.picks import joined, picks_of

SPECTRA = ("rgb", "nir", "tir")


def test_picks_are_the_networks_own(editor, batch_of):
    network, batch = editor.network.build().eval(), batch_of((32, 16), 5, SPECTRA)
    with torch.inference_mode():
        picks, selected = picks_of(network, batch), network.look(batch).selected
    assert picks.grid == (4, 2)
    for name in SPECTRA:
        for kind in ("spatial", "frequency", "kept"):
            assert np.array_equal(getattr(picks, kind)[name], getattr(selected, kind)[name].numpy())
        # Each head of a spectrum keeps its largest: no other patch may have more in both.
        heads = selected.attention[name].numpy()
        assert np.allclose(picks.rollout[name], heads.mean(1))
        assert np.array_equal(picks.spatial[name], (heads == heads.max(2, keepdims=True)).any(1))


def test_batches_are_joined_in_order(editor, batch_of):
    network, batch = editor.network.build().eval(), batch_of((32, 16), 5, SPECTRA)
    with torch.inference_mode():
        whole = picks_of(network, batch)
        parts = joined([picks_of(network, batch[:2]), picks_of(network, batch[2:])])
    for name in SPECTRA:
        assert np.array_equal(parts.kept[name], whole.kept[name])
        assert np.allclose(parts.rollout[name], whole.rollout[name])


def test_a_network_that_looks_at_no_attention_has_an_empty_rollout(editor, batch_of):
    for selection in (
        replace(editor.network.selection, rule="everything"),
        replace(editor.network.selection, head_keep=0),
    ):
        network = replace(editor.network, selection=selection, spectra=("nir",)).build().eval()
        with torch.inference_mode():
            picks = picks_of(network, batch_of((32, 16), 2, ("nir",)))
        assert not picks.rollout["nir"].any() and not picks.spatial["nir"].any()
        assert picks.kept["nir"].all() == (selection.rule == "everything")
