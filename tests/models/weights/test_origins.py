"""The names of the tensors tell whose weights they are; a file of nobody known is told the nearest and all of them."""

from __future__ import annotations

import pytest
import torch

from reknow.errors import WeightsError
from reknow.models.weights.origins import ADAPTERS, read_weights


def test_unknown_origin_is_told_the_nearest_and_all(save):
    state = {name: torch.ones(1) for name in ("patch_embed.proj.weight", "layers.0.norm.weight", "norm.weight")}
    with pytest.raises(WeightsError) as caught:
        read_weights(save(state))
    message = str(caught.value)
    assert "weights of an unknown origin (3 tensors: patch_embed.proj.weight" in message
    assert "nearest is reknow's own transformer, but 'cls_token' is missing" in message
    assert all(adapter.origin in message for adapter in ADAPTERS)


def test_an_osnet_without_its_last_layer_is_nearest_to_osnet(save):
    state = {name: torch.ones(1) for name in ("conv1.conv.weight", "conv2.0.conv2a.conv1.weight")}
    with pytest.raises(WeightsError, match=r"nearest is torchreid OSNet, but 'fc\.0\.weight' is missing"):
        read_weights(save(state))


def test_weights_of_something_else_resemble_none(save):
    with pytest.raises(WeightsError, match="it resembles none"):
        read_weights(save({"transformer.wte.weight": torch.ones(1)}))


def test_signs_of_the_more_special_come_first():
    """An adapter whose signs are all among a later one's would take that one's files, unless it may say no."""
    for number, adapter in enumerate(ADAPTERS):
        for later in ADAPTERS[number + 1 :]:
            if set(adapter.signs) <= set(later.signs):
                assert adapter.origin in ("reknow's own transformer", "TransReID")
