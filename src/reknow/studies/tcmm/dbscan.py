"""``tcmm-dbscan``: how much do the clustering's two settings matter, which the paper does not give?

The values of the code bases it stands on are eps 0.6 (Market-1501) or 0.7 (MSMT17) with 4 samples; users report
collapses with others (decision 5 in docs/methods/tcmm.md). One row more has eps 0.5 with 5 samples, which are what
scikit-learn's DBSCAN takes where nothing is said, and one lets each epoch find its own eps.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from reknow.studies.figures import SOFT, label, line, panels, style
from reknow.studies.findings import Findings
from reknow.studies.sizes import MANY_ROWS, Scale
from reknow.studies.study import Study, Variant, replaced
from reknow.studies.tcmm.base import on_world

EPS = (0.4, 0.5, 0.6, 0.7)
MIN_SAMPLES = (2, 4, 8)
QUICK_EPS, QUICK_MIN_SAMPLES = (0.4, 0.6), (2, 4)
USUAL, UNSAID = (0.6, 4), (0.5, 5)


def study(scale: Scale) -> Study:
    """The grid of eps and min_samples, the usual pair first."""
    quick = scale == "quick"
    grid = [
        (eps, least) for eps in (QUICK_EPS if quick else EPS) for least in (QUICK_MIN_SAMPLES if quick else MIN_SAMPLES)
    ]
    grid = sorted([*grid, UNSAID], key=lambda pair: pair != USUAL)
    usual = replaced(on_world(MANY_ROWS[scale]), "method.clustering.eps", USUAL[0])
    usual = replaced(usual, "method.clustering.min_samples", USUAL[1])
    return Study(
        name="tcmm-dbscan",
        question="How much do DBSCAN's eps and min_samples matter, which the paper does not give?",
        scale=scale,
        base=usual,
        variants=(
            *(
                Variant(
                    f"eps {eps}, {least} samples",
                    {"method.clustering.eps": eps, "method.clustering.min_samples": least},
                )
                for eps, least in grid
            ),
            *(() if quick else (Variant("eps auto, 4 samples", {"method.clustering.eps": "auto"}),)),
        ),
        columns=("mAP", "rank1", "clusters", "outliers", "purity", "eps"),
        plot=plot,
    )


def plot(findings: Findings) -> Figure:
    """Score, clusters, outliers and purity over eps, a line for each min_samples."""
    with style():
        figure, four = panels(findings, 2, 2, height=2.7)
        swept = [row for row in findings.rows if row.change["method.clustering.eps"] != "auto"]
        free = [row for row in findings.rows if row.change["method.clustering.eps"] == "auto"]
        counts = sorted({row.change["method.clustering.min_samples"] for row in swept})
        for axes, name in zip(four, (findings.score, "clusters", "outliers", "purity"), strict=True):
            for stroke, count in enumerate(counts):
                rows = [row for row in swept if row.change["method.clustering.min_samples"] == count]
                rows.sort(key=lambda row: row.change["method.clustering.eps"])
                at = [row.change["method.clustering.eps"] for row in rows]
                line(axes, rows, name, at, stroke=stroke, legend=f"{count} samples")
            for row in free:
                axes.axhline(row.mean(name), color=SOFT, linestyle=(0, (1, 4)), label=row.variant)
            if name == "clusters":
                identities = findings.rows[0].mean("identities")
                axes.axhline(identities, color=SOFT, linewidth=1, label="identities")
            axes.set_ylabel(label(name) if name in findings.columns[:2] else f"{name}, last epoch")
            axes.set_xlabel("eps")
            axes.set_xticks(sorted({row.change["method.clustering.eps"] for row in swept}))
        figure.legend(*four[1].get_legend_handles_labels(), loc="outside lower center", ncols=5)
        return figure
