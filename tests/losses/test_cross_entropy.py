"""Smoothed cross-entropy against its formula."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from reknow.losses.cross_entropy import SmoothedCrossEntropy


@given(st.floats(0, 1), st.integers(2, 7), st.integers(0, 1000))
def test_target_mixes_the_label_with_all_classes(epsilon: float, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (5,), generator=generator)
    target = (1 - epsilon) * functional.one_hot(labels, classes) + epsilon / classes
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(SmoothedCrossEntropy(epsilon)(logits, labels), expected)
