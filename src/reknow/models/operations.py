"""Operations of embedding a picture, counted from the shape of a trunk of inverted residuals.

A multiplication and an addition are two operations, as ``torch.utils.flop_counter`` counts them. Of a map of H x W:

    first convolution     2 H W 27 C'
    block                 2 (H W C e C + H' W' 9 e C + H' W' e C C')      e: its expansion; no first term where e is 1
    block of attention    2 H W (C C + 2 H W C + 9 C)                     mask, two products of attention, depthwise
    last convolution      2 H W C D

Norms, activations, masks, softmax, additions, pooling and the neck are not counted. The channels of stages may be
tensors: then so is the count, with its gradient, or it is that of many networks at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from reknow.errors import RecipeError
from reknow.models.channel_selection import ChannelSelectionBlock
from reknow.models.insertion import MapModuleConfig, Nothing
from reknow.models.inverted_residuals import InvertedResidualsConfig

Count = int | float | Tensor
"""A number, between the options perhaps, or a tensor of such numbers."""


def operations(
    config: InvertedResidualsConfig, size: tuple[int, int], channels: Mapping[str, Count] | None = None
) -> Count:
    """Operations of a trunk for one picture.

    Args:
        config: its shape.
        size: height and width of the picture.
        channels: that leave each stage, by its name; by default those of the config.

    Raises:
        RecipeError: a module in it whose operations are not known.

    Example:
        >>> from reknow.models.inverted_residuals import MobileNetV2Config
        >>> round(float(operations(MobileNetV2Config(last_stride=2), (224, 224))) / 1e9, 2)
        0.6
    """
    _check_counted("within", config.within, Nothing)
    behind = dict(config.after)
    first, last = config.ends
    rows, columns = _halved(size)
    inputs: Count = first
    total: Count = rows * columns * 27 * first
    for name, stage in config.table.items():
        outputs = stage.channels if channels is None else channels[name]
        for number in range(stage.blocks):
            inner = stage.expansion * inputs
            if stage.expansion != 1:
                total = total + rows * columns * (inputs * inner)
            if number == 0 and stage.stride == 2:
                rows, columns = _halved((rows, columns))
            total = total + rows * columns * (9 * inner + inner * outputs)
            inputs = outputs
        if name in behind:
            _check_counted("after", behind[name], ChannelSelectionBlock)
            positions = rows * columns
            total = total + positions * (outputs * outputs + 2 * positions * outputs + 9 * outputs)
    return 2 * (total + rows * columns * (inputs * last))


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width behind a convolution of 3 x 3 that strides by 2 and is padded by 1."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def _check_counted(field: str, module: MapModuleConfig, counted: type[MapModuleConfig]) -> None:
    if not isinstance(module, counted):
        raise RecipeError(
            f"network.trunk.{field}",
            found=f"{type(module).__name__}, whose operations are not counted",
            expected=counted.__name__,
            remedy="Leave it out.",
        )
