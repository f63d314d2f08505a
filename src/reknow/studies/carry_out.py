"""Carry out a study: its runs and measurements one after the other, each of them once, and then its findings.

All variants of one seed come before the next seed, so that an interrupted study has complete comparisons, and ``--seeds
1`` on its folder shows them. Before anything starts, every existing run is compared with the recipe that the study has
for it. A run that was stopped continues from its checkpoint. Where a run decides fields of others (:class:`.Decided`),
it comes before them, and their recipes are known once it is finished.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reknow.errors import RecipeError, RunError, nearest
from reknow.evaluation.intervals import Interval
from reknow.machine import machine
from reknow.methods.recipe import Recipe
from reknow.progress import Display
from reknow.studies.findings import Findings, Row
from reknow.studies.folder import Record, RunFolder, StudyFolder, slug
from reknow.studies.statistics import over_queries, over_seeds
from reknow.studies.study import Measurement, Study, Variant, changed, differences, seeded
from reknow.training.train import train
from reknow.values import to_plain

MOST_SEEDS = 1000
"""Most seeds that are accepted; the quickest studies would take weeks for so many."""


@dataclass(frozen=True)
class Planned:
    """A run of the study.

    Attributes:
        variant: the row that it belongs to.
        seed: of training and world.
        recipe: in full, but for what another run decides.
        folder: of the run.
        decided_by: the folder of that other run; None where the recipe is in full.
    """

    variant: Variant
    seed: int
    recipe: Recipe
    folder: RunFolder
    decided_by: RunFolder | None = None

    def resolved(self) -> Recipe | None:
        """The recipe in full; None as long as the run that decides it is not finished."""
        if self.decided_by is None or self.variant.decided is None:
            return self.recipe
        if not self.decided_by.finished:
            return None
        return changed(self.recipe, self.variant.decided.change(self.decided_by.path, self.seed))


def carry_out(study: Study, folder: Path, *, seeds: int = 3, display: Display | None = None) -> Findings:
    """Do the remaining runs of a study, and write its results, table and plot.

    Args:
        study: to carry out.
        folder: the study's folder, new or its own.
        seeds: how many, from 1 up.
        display: shows the progress.

    Raises:
        RecipeError: no seed.
        RunError: the folder holds something else, or a run of another recipe; several processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RunError(
            folder,
            found="a study under torchrun",
            expected="one process",
            remedy="Start it without torchrun; several studies may run beside each other in folders of their own.",
        )
    if not 1 <= seeds <= MOST_SEEDS:
        raise RecipeError(
            "study, seeds", found=str(seeds), expected=f"1 or more and at most {MOST_SEEDS}", remedy="Three are usual."
        )
    place = StudyFolder.claim(folder, study.name)
    planned = plan(study, place, range(1, seeds + 1))
    for run in planned:
        if recipe := run.resolved():
            run.folder.check(recipe)
    display = display or Display()
    measurements = {each.name: _measure(each, place, display) for each in study.measurements}
    records = _all_runs(study, planned, display)
    findings = Findings(
        study=study.name,
        question=study.question,
        columns=study.columns,
        scale=study.scale,
        seeds=tuple(range(1, seeds + 1)),
        base=to_plain(study.base),
        rows=rows_of(study, records),
        measurements=measurements,
        about={each.name: each.about for each in study.measurements},
        machines=_machines(records),
    )
    _write(findings, study, place)
    return findings


def plan(study: Study, place: StudyFolder, seeds: range) -> list[Planned]:
    """The runs in the order in which they are made: of each seed first those that no other run decides.

    Raises:
        RecipeError: two variants would share a folder, or a run decides a row that is none or is decided itself.
    """
    folders = Counter(slug(variant.name) for variant in study.variants)
    shared = [name for name, count in folders.items() if count > 1]
    if shared:
        raise RecipeError(
            f"study '{study.name}', variants",
            found=f"several whose folder would be '{shared[0]}'",
            remedy="Give them names that differ in letters or digits.",
        )
    free = [variant for variant in study.variants if variant.decided is None]
    following = [variant for variant in study.variants if variant.decided is not None]
    for variant in following:
        if variant.decided and variant.decided.row not in {other.name for other in free}:
            raise RecipeError(
                f"study '{study.name}', variant '{variant.name}'",
                found=f"decided by '{variant.decided.row}'",
                expected="a row that no other row decides",
                remedy=nearest(variant.decided.row, [other.name for other in free]),
            )
    return [
        Planned(
            variant,
            seed,
            replace(seeded(variant.of(study.base), seed), name=f"{study.name}: {variant.name}"),
            place.run(variant.name, seed),
            place.run(variant.decided.row, seed) if variant.decided else None,
        )
        for seed in seeds
        for variant in (*free, *following)
    ]


def rows_of(study: Study, records: dict[str, list[Record]]) -> tuple[Row, ...]:
    """The table's rows from each variant's records, in the order of seeds.

    Queries are paired where the data are those of the first row.
    """
    rows: list[Row] = []
    for variant in study.variants:
        runs = records[variant.name]
        names = dict.fromkeys(name for record in runs for name in record.numbers)
        row = Row(
            variant=variant.name,
            change=dict(variant.change),
            differs=differences(study.variants[0].of(study.base), variant.of(study.base)),
            numbers={name: np.array([record.numbers.get(name, np.nan) for record in runs]) for name in names},
        )
        if rows:
            difference = {
                name: over_seeds(rows[0].numbers[name], values)
                for name, values in row.numbers.items()
                if name in rows[0].numbers
            }
            row = replace(row, difference=difference)
            if variant.of(study.base).scored_data == study.variants[0].of(study.base).scored_data:
                row = replace(row, over_queries=_over_queries(records[rows[0].variant], runs))
        rows.append(row)
    return tuple(rows)


def _over_queries(base: list[Record], variant: list[Record]) -> Interval:
    """Of runs that were tested with the same queries."""
    return over_queries(
        [100 * record.average_precision for record in base], [100 * record.average_precision for record in variant]
    )


def _all_runs(study: Study, planned: list[Planned], display: Display) -> dict[str, list[Record]]:
    """Every variant's records; says after each run how long the rest will take."""
    left = [run for run in planned if not run.folder.finished]
    if len(left) < len(planned):
        display.line(f"{len(planned) - len(left)} of {len(planned)} runs are done already")
    started = time.perf_counter()
    for number, planned_run in enumerate(left):
        name = f"{planned_run.variant.name}, seed {planned_run.seed}"
        advance = display.bar(f"{name}{_time_left(started, number, len(left))}")
        done = len(planned) - len(left) + number
        advance(done, len(planned))
        display.line(f"run {done + 1} of {len(planned)}: {name}")
        record = _run(study, planned_run, display)
        advance(len(planned), len(planned))
        score = record.numbers.get("mAP")
        shown = "" if score is None else f"mAP {score:.1f}"
        display.line(f"run {done + 1} of {len(planned)} done: {shown}{_time_left(started, number + 1, len(left))}")
    records: dict[str, list[Record]] = {}
    for run in planned:
        records.setdefault(run.variant.name, []).append(run.folder.record())
    return records


def _run(study: Study, planned: Planned, display: Display) -> Record:
    folder, recipe = planned.folder, planned.resolved()
    assert recipe is not None  # the run that decides it comes first
    folder.check(recipe)
    folder.clear()
    outcome = train(recipe, folder.path, resume=folder.resumable, display=display)
    record = Record.of(outcome, study.score_run(outcome) if study.score_run else None)
    folder.keep(record)
    return record


def _time_left(started: float, done: int, runs: int) -> str:
    """Empty before the first run has shown how long one takes."""
    if not done or done == runs:
        return ""
    minutes = (time.perf_counter() - started) / done * (runs - done) / 60
    return f", about {minutes:.0f} min left" if minutes >= 1.5 else ", about a minute left"


def _measure(measurement: Measurement, place: StudyFolder, display: Display) -> list[dict[str, object]]:
    rows = place.measured(measurement.name)
    for settings in measurement.settings:
        if any(settings.items() <= row.items() for row in rows):
            continue
        display.line(f"measuring {', '.join(f'{name} {value}' for name, value in settings.items())}")
        rows.append({**settings, **measurement.measure(**settings)})
        place.keep_measured(measurement.name, rows)
    return rows


def _machines(records: dict[str, list[Record]]) -> list[dict[str, str]]:
    """The different machines and versions, so that a change between two runs of a study shows."""
    different: dict[str, dict[str, str]] = {}
    for here in [record.machine for of_variant in records.values() for record in of_variant] or [machine()]:
        timeless = {name: value for name, value in here.items() if name != "written"}
        different[json.dumps(timeless)] = timeless
    return list(different.values())


def _write(findings: Findings, study: Study, place: StudyFolder) -> None:
    place.write("results.json", json.dumps(findings.as_json(), indent=1) + "\n")
    place.write("table.md", findings.as_markdown())
    drawn = io.BytesIO()
    study.plot(findings).savefig(drawn, format="png", dpi=160)
    place.write("plot.png", drawn.getvalue())
