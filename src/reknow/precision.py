"""Precision: the numbers that a network computes in, 32 bit or bf16; one vocabulary for recipes and recognizers.

bf16 has the range of 32 bit and 8 bits of its digits. Vectors differ by about 0.002 per component from those of 32
bit, and stay of length 1 to seven digits, because the last step is computed in 32 bit whatever came before.

On a GPU, 32 bit is torch's default: matrix products are exact to 32 bit, and cuDNN may round the inputs of convolutions
to TF32, which has 10 binary digits where 32 bit has 23 and bf16 has 7. ``torch.backends.cudnn.allow_tf32 = False``
turns that off; ``benchmarks/device.py`` measures both.

Decision: scores are made in 32 bit unless another precision is asked for. bf16 moves them by tenths of a point, so two
processors, of which one has no bf16, would not agree on a number.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch

from reknow.errors import RecognizerError, nearest

Precision = Literal["auto", "32", "bf16"]
"""``auto`` is bf16 where the processor has instructions for it, else 32 bit. Weights are always kept in 32 bit."""


def computes_in_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bf16; without them a CPU would only add conversions.

    Measured on two cores with AVX-512 BF16, in turns, pictures per second in 32 bit and in bf16: the shipped network
    616 and 1,657 by 128, 894 and 1,262 by 8, but 299 and 232 one by one; ViT-S at 256 x 128 27 and 74, ResNet-50 21
    and 42. On the world's target domain the shipped network scored mAP 49.01 in both.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # no public name as of torch 2.15


def resolved(device: torch.device, precision: str) -> Literal["32", "bf16"]:
    """What networks on `device` compute in where this precision is wanted.

    Raises:
        RecognizerError: a precision that does not exist.
    """
    if precision not in get_args(Precision):
        raise RecognizerError("precision", found=f"'{precision}'", remedy=nearest(precision, get_args(Precision)))
    fast = computes_in_bf16(device) if precision == "auto" else precision == "bf16"
    return "bf16" if fast else "32"


def computing(device: torch.device, precision: str) -> torch.autocast:
    """A context in which networks on `device` compute in this precision; see :func:`resolved`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=resolved(device, precision) == "bf16")
