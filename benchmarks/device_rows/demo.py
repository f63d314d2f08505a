"""``reknow demo``: what a user runs first, whole; its world is rendered and scored on the CPU."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from device_rows.context import Context, Row
from reknow.demo import run_demo
from reknow.methods.cluster_contrast.recipes import world
from reknow.report.build import report_of
from reknow.training.train import train

KEPT = ("mAP", "seconds", "images_per_second", "peak_memory_gb", "total_seconds")
TINY_WORLD = "world:target?train_identities=4&test_identities=4"


def demo(context: Context) -> dict[str, object]:
    """Scores before and after, seconds and memory; quick, a step and the report on a world of four people."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        if context.quick:
            report_of(outcome := train(replace(world(), data=TINY_WORLD, epochs=1, iterations=1), folder))
            return {"rows": len(outcome.training)}
        summary = run_demo(folder)
        return {"mAP_before": summary["start"]["mAP"], **{key: summary[key] for key in KEPT}}


ROWS: dict[str, Row] = {"demo": demo}
