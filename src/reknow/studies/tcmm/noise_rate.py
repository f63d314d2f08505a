"""``tcmm-noise-rate``: how much does the share of the patches that are pushed away matter?

The paper asks how far its best rate, 0.075, carries over to other data. The authors' sweep on MSMT17, whose
numbers are in their plotting script, has one run per point and one seed; up to 0.85 the mAP goes up and down without a
trend. This study has several seeds. The small trunk has 32 patches, so R = floor(32 alpha) and only multiples of 1/32
differ. The base is TCMM without the constraint, its instance memory kept: the dotted line that a rate must exceed.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from reknow.studies.figures import INK, PALE, SOFT, label, panels, style
from reknow.studies.findings import Findings
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study, Variant, replaced
from reknow.studies.tcmm.base import on_world

PATCHES = 32
NEGATIVES = (1, 2, 4, 8, 16, 24, 32)
QUICK_NEGATIVES = (1, 8, 32)

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


def study(scale: Scale) -> Study:
    """The sweep of alpha."""
    counts = QUICK_NEGATIVES if scale == "quick" else NEGATIVES
    return Study(
        name="tcmm-noise-rate",
        question="How much does it matter which share of a picture's patches TCMM pushes away?",
        scale=scale,
        base=replaced(on_world(MANY_ROWS[scale]), "method.token_weight", 0.0),
        variants=(
            Variant("no token constraint"),
            *(
                Variant(
                    f"alpha {count / PATCHES:g} (R = {count})",
                    {"method.token_weight": 1.0, "method.alpha": count / PATCHES},
                )
                for count in counts
            ),
        ),
        columns=("mAP", "rank1", "clusters", "purity"),
        plot=plot,
    )


def plot(findings: Findings) -> Figure:
    """Left the published points with the noise band of their plateau, right what each rate gave, paired by seed."""
    with style():
        figure, (left, right) = panels(findings, 1, 2)
        mean, noise = PLATEAU.mean(), PLATEAU.std(ddof=1)
        left.axhspan(mean - noise, mean + noise, color=PALE, label=f"0.025 to 0.85: {mean:.2f} ± {noise:.2f}")
        left.plot(ALPHA, MAP, "o", color=INK, markersize=4, label="one run each")
        left.set_title("Published: MSMT17, ViT-S, 128 patches")
        left.set_ylabel(label("mAP"))

        without, *swept = findings.rows
        alphas = [row.change["method.alpha"] for row in swept]
        # Differences, since the spread of the scores themselves is that of the worlds.
        gained = np.array([row.numbers[findings.score] - without.numbers[findings.score] for row in swept])
        right.axhline(0, color=SOFT, linestyle=":", label=f"no token constraint: {without.mean(findings.score):.1f}")
        right.plot(alphas, gained, "o", markerfacecolor="none", markeredgecolor=SOFT)
        right.plot(alphas, gained.mean(1), "D-", color=INK, label=f"mean of {len(findings.seeds)} (open: each seed)")
        right.set_title(f"Ours: the synthetic world, {PATCHES} patches")
        right.set_ylabel(f"{findings.score} minus that without the constraint")
        for axes in (left, right):
            axes.set_xlim(-0.03, 1.05)
            axes.set_xlabel("alpha, share of the patches pushed away")
            axes.legend(loc="lower left")
        return figure
