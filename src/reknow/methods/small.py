"""The small network that the package ships weights for, and the settings that every small recipe shares.

Chosen on two cores, batch 64, 128 x 64 pixels, by training pictures per second: width 128, depth 4, stride 8: 143;
the same with stride 16: 528; width 192, depth 4, stride 16: 325. Stride 16 leaves 32 patch tokens, which a laptop can
train in minutes. Ours lies between the last two: 1.5 M parameters, 6 MB. Three extra tokens beside CLS play the part
of PASS's PART tokens.
"""

from __future__ import annotations

from reknow.data.transforms import Augmentation, Preprocessing
from reknow.models.embedder import EmbedderConfig
from reknow.models.transformer import TransformerConfig

SMALL_NETWORK = EmbedderConfig(
    trunk=TransformerConfig(
        image_size=(128, 64),
        width=160,
        depth=4,
        heads=5,
        stem="convolution",
        stride=16,
        convolutions=((32, 3, 2), (64, 3, 2), (96, 3, 2), (160, 3, 2)),
        extra_tokens=3,
        drop_path=0.0,
    ),
    feature="cls+extra",
)

SMALL_PREPROCESSING = Preprocessing(size=(128, 64))

SMALL_AUGMENTATION = Augmentation(pad=6, erase_area=(0.02, 0.3))
"""The papers' augmentation at half their picture size: 6 pixels of padding instead of 10."""
