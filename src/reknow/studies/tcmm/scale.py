"""``tcmm-scale``: what does the instance memory cost at web scale, and what does a bounded one cost in accuracy?

The paper keeps a vector of every training picture and asks itself whether that holds at web scale. Two halves:

- measured without training (:mod:`.memory_cost`): bytes and seconds per step of the full memory, and of the sampled
  one with 32,768 rows, up to a million pictures of 768 numbers; at 10^6 that takes 7 GB of RAM for a minute or two;
- trained: TCMM with all pictures in the memory (N), with a sampled memory of N, N/4 and N/16 rows, and without one.
  The sampled memory takes fresh vectors every epoch, so the row of N tells that apart from what the bound costs.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from reknow.methods.tcmm import recipes as tcmm
from reknow.studies.figures import SOFT, STROKES, label, panels, runs, style
from reknow.studies.findings import Findings
from reknow.studies.sizes import FEW, PICTURES_OF_A_PERSON, Scale
from reknow.studies.study import Measurement, Study, Variant
from reknow.studies.tcmm.memory_cost import memory_cost

ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
QUICK_ROWS = ROWS[:3]
BOUND = 32_768


def study(scale: Scale) -> Study:
    """The cost against N, and the score against the bound."""
    pictures = FEW[scale].train_identities * PICTURES_OF_A_PERSON
    return Study(
        name="tcmm-scale",
        question="What does TCMM's instance memory cost at web scale, and what does a bounded one lose?",
        scale=scale,
        base=FEW[scale].on_world(tcmm.world()),
        variants=(
            Variant("full memory"),
            # Three times the mean is more than any world of this size has.
            Variant("sampled, N rows", {"method.capacity": 3 * pictures}),
            Variant("sampled, N/4 rows", {"method.capacity": pictures // 4}),
            Variant("sampled, N/16 rows", {"method.capacity": pictures // 16}),
            Variant("no memory", {"method.instance_weight": 0.0}),
        ),
        measurements=(
            Measurement(
                name="memory",
                about="A step (choose, loss, gradient, update) of 128 pictures against N training pictures, 768 "
                "numbers each, 4 negatives; and what is done once per epoch.",
                settings=tuple(
                    {"memory": memory, "pictures": rows, "rows": min(rows, BOUND) if memory == "sampled" else rows}
                    for memory in ("full", "sampled")
                    for rows in (QUICK_ROWS if scale == "quick" else ROWS)
                ),
                measure=memory_cost,
            ),
        ),
        columns=("mAP", "rank1", "clusters", "purity", "seconds"),
        plot=plot,
    )


def plot(findings: Findings) -> Figure:
    """Bytes, seconds per step, and the score of the bounded memories."""
    with style():
        figure, (size, speed, score) = panels(findings, 1, 3)
        for (mark, dashes), memory in zip(STROKES, ("full", "sampled"), strict=False):
            rows = [row for row in findings.measurements["memory"] if row["memory"] == memory]
            pictures = [row["pictures"] for row in rows]
            said = "full" if memory == "full" else f"sampled, {BOUND:,} rows"
            for axes, name in ((size, "megabytes"), (speed, "step_seconds")):
                color = SOFT if memory == "sampled" else "black"
                axes.loglog(pictures, [row[name] for row in rows], mark, linestyle=dashes, color=color, label=said)
        size.set_ylabel("memory, MB")
        speed.set_ylabel("step, s")
        for axes in (size, speed):
            axes.set_xlabel("training pictures N")
            axes.legend()
        for place, row in enumerate(findings.rows):
            runs(score, row.numbers[findings.score], place)
        score.set_yticks(range(len(findings.rows)), [row.variant for row in findings.rows])
        score.invert_yaxis()
        score.set_xlabel(label(findings.score))
        return figure
