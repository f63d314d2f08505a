"""``reknow demo``: everything once, on a synthetic world that the shipped recognizer was not trained on.

Render the target world, adapt without labels, evaluate before and after, group the unlabelled pictures, report.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from reknow.methods.cluster_contrast.recipes import world
from reknow.report.build import report_of
from reknow.training.train import train


def run_demo(folder: Path, *, seed: int = 0, quick: bool = False) -> dict[str, Any]:
    """Run the demo into a new folder.

    Args:
        folder: the run's folder.
        seed: of the world and of training.
        quick: a smaller world and fewer epochs.

    Returns:
        ``summary.json``'s content, ``run``, ``report``, ``groups``, ``total_seconds``, and ``lines`` that say the same.
    """
    started = time.perf_counter()
    recipe = world()
    data = f"world:target?seed={seed}"
    if quick:
        recipe = replace(recipe, epochs=QUICK_EPOCHS)
        data += f"&{QUICK_WORLD}"
    recipe = replace(recipe, data=data, seed=seed)
    outcome = train(recipe, folder)
    report = report_of(outcome)
    summary = outcome.summary.as_json()
    start = summary["start"]
    seconds = time.perf_counter() - started
    lines = [
        f"an unseen world of {len(outcome.training):,} unlabelled pictures, adapted and measured in {seconds:.0f} s",
        f"mAP    {start['mAP']:5.1f} before, {summary['mAP']:5.1f} after (percent, protocol {summary['protocol']})",
        f"rank-1 {start['rank1']:5.1f} before, {summary['rank1']:5.1f} after",
        f"groups of the unlabelled pictures: {folder / 'groups.csv'}",
        "this world is kinder than real photographs; one as hard as they are is world:target?difficulty=hard",
    ]
    return {
        **summary,
        "run": str(folder),
        "report": str(report),
        "groups": str(folder / "groups.csv"),
        "total_seconds": round(seconds, 1),
        "lines": lines,
    }


QUICK_EPOCHS = 3
QUICK_WORLD = "train_identities=40&test_identities=40"
