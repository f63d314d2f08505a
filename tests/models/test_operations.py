"""Operations: torch's own counter is the witness, for whole trunks of every table, odd pictures and attention too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from reknow.errors import RecipeError
from reknow.models.channel_attention import SqueezeExcitation
from reknow.models.channel_search import SupernetConfig, Unit
from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.models.inverted_residuals import FBNetV2Config, InvertedResidualsConfig, MobileNetV2Config
from reknow.models.operations import operations

BLOCK = ChannelSelectionBlock()
SMALL = SupernetConfig(
    first=8,
    last=24,
    units=(Unit(blocks=2, most=16, options=3, step=4), Unit(blocks=1, most=20, options=2, step=8, stride=1)),
    after=(("stage1", BLOCK), ("stage2", BLOCK), ("stage3", BLOCK)),
)


def counted_by_torch(config: InvertedResidualsConfig, size: tuple[int, int]) -> int:
    trunk = config.build().eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        trunk(torch.zeros(1, 3, *size))
    return counter.get_total_flops()


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (MobileNetV2Config(after=(("stage3", BLOCK), ("stage7", BLOCK))), (64, 32)),
        (MobileNetV2Config(last_stride=2), (63, 33)),
        (MobileNetV2Config(after=(("stage1", BLOCK),)), (32, 16)),
        (SMALL.with_channels((12, 20)), (33, 18)),
        (SMALL.with_channels((8, 12)), (64, 32)),
    ],
)
def test_operations_are_those_that_torch_counts(config: InvertedResidualsConfig, size: tuple[int, int]) -> None:
    # The same kinds of operation are counted, so the two agree to the last digit and not to a hundredth alone.
    assert operations(config, size) == counted_by_torch(config, size)


def test_the_published_space_is_counted_at_its_published_size() -> None:
    config = SupernetConfig(after=tuple((f"stage{number}", BLOCK) for number in range(2, 6)))
    smallest, largest = config.range_of_operations((256, 128))
    assert largest == operations(FBNetV2Config(after=config.after), (256, 128))
    assert smallest == counted_by_torch(config.with_channels((16, 16, 80, 120)), (256, 128))


def test_channels_may_be_tensors_of_many_networks_and_between_the_options_with_a_gradient() -> None:
    both = [torch.tensor([12, 8]), torch.tensor([20, 12])]
    expected = [operations(SMALL.with_channels(channels), (64, 32)) for channels in ((12, 20), (8, 12))]
    assert torch.as_tensor(SMALL.operations(both, (64, 32))).tolist() == expected
    channels = torch.tensor([12.0, 16.0], dtype=torch.float64, requires_grad=True)
    total = torch.as_tensor(SMALL.operations(list(channels), (64, 32)))
    (slope,) = torch.autograd.grad(total, channels)
    up, down = (SMALL.operations([12.0 + step, 16.0], (64, 32)) for step in (1e-3, -1e-3))
    assert float(slope[0]) == pytest.approx((up - down) / 2e-3, rel=1e-6) and float(slope[1]) > 0


@pytest.mark.parametrize("field", ["within", "after"])
def test_what_cannot_be_counted_is_refused(field: str) -> None:
    module = SqueezeExcitation()
    change = {"within": module} if field == "within" else {"after": (("stage2", module),)}
    with pytest.raises(RecipeError, match=rf"network\.trunk\.{field}: SqueezeExcitation, whose operations are not"):
        operations(replace(MobileNetV2Config(), **change), (64, 32))
