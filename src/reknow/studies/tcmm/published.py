"""The authors' sweep of the patch noise rate on MSMT17, as their plotting script holds it (spec section 4.2).

One run per point, the seed not varied. Up to 0.85 the mAP goes up and down without a trend.
"""

from __future__ import annotations

import numpy as np

ALPHA = np.arange(1, 41) * 0.025
"""(40,) patch noise rates, 0.025 to 1."""

# Eight points a line, 0.2 apart from line to line.
# fmt: off
MAP, RANK1 = np.array([
    (51.8, 78.4), (50.9, 77.7), (52.0, 78.4), (50.8, 77.4), (51.0, 77.8), (51.7, 78.6), (50.7, 77.4), (50.4, 77.6),
    (51.2, 77.9), (51.9, 78.2), (50.7, 77.4), (51.0, 77.9), (51.2, 78.3), (50.3, 77.2), (51.6, 78.2), (50.8, 77.9),
    (50.9, 77.7), (50.3, 77.4), (50.6, 78.4), (50.8, 77.7), (51.9, 78.2), (51.1, 77.8), (50.6, 77.3), (50.9, 77.7),
    (51.6, 78.3), (51.0, 77.7), (51.0, 77.8), (50.8, 77.8), (51.6, 78.1), (49.7, 77.2), (50.4, 77.9), (50.7, 78.0),
    (50.5, 77.4), (50.7, 78.1), (51.1, 77.9), (49.4, 76.9), (50.6, 77.5), (50.5, 77.7), (49.8, 77.5), (47.2, 75.3),
]).T
# fmt: on
"""(40,) mAP and rank-1 in percent."""

PLATEAU = MAP[ALPHA < 0.86]
"""The 34 points from 0.025 to 0.85; their mean and standard deviation are the noise that a claim must exceed."""
