"""``tcmm-noise-rate``: how much does it matter which share of the patches is pushed away?

The paper asks how far its best rate, 0.075, carries over to other data. Its own sweep on MSMT17 (:mod:`.published`) is
one run per point. Ours has seeds. The small trunk has 32 patches, so R = floor(32 alpha) and only multiples of 1/32
differ. The base is TCMM without the constraint, its instance memory kept: the dotted line that a rate must exceed.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from reknow.methods.tcmm import recipes as tcmm
from reknow.studies.figures import INK, PALE, SOFT, label, panels, style
from reknow.studies.findings import Findings
from reknow.studies.sizes import MANY, Scale
from reknow.studies.study import Study, Variant, replaced
from reknow.studies.tcmm.published import ALPHA, MAP, PLATEAU

PATCHES = 32
NEGATIVES = (1, 2, 4, 8, 16, 24, 32)
QUICK_NEGATIVES = (1, 8, 32)


def study(scale: Scale) -> Study:
    """The sweep of alpha."""
    counts = QUICK_NEGATIVES if scale == "quick" else NEGATIVES
    return Study(
        name="tcmm-noise-rate",
        question="How much does it matter which share of a picture's patches TCMM pushes away?",
        scale=scale,
        base=replaced(MANY[scale].on_world(tcmm.world()), "method.token_weight", 0.0),
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
