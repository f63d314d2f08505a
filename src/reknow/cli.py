"""The command line: parse, call, print. What a command does lives in the room that it calls.

Errors of the user's making end with one line on standard error and exit code 2; an interrupted run with 130.
With ``--json`` standard output holds one JSON object and nothing else.
"""

from __future__ import annotations

import json as json_format
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff, Positional, arg

from reknow.errors import DataError, RecipeError, ReknowError

Json = Annotated[bool, arg(help="Print one JSON object instead of text.")]
Data = Annotated[str, arg(help="The data set, as FORMAT:PATH; e.g. folder:crops, market1501:PATH, table:rows.csv.")]
INIT_FROM_HELP = "Take network, preprocessing and weights of this recognizer or run (or 'shipped'), nothing else of it."
SHIPPED_HELP = "A recognizer's folder, a finished run or a file of weights; 'shipped' is the package's own small one."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["train"]:
            return _train(given[1:])
        if given[:1] == ["data"]:
            return _choose(DATA_COMMANDS, given[1:], "reknow data", "Look at a data set before it is used.")
        if given[:1] == ["explain"]:
            return _choose(EXPLAIN_COMMANDS, given[1:], "reknow explain", "Look at what a run has learned to look at.")
        return _choose(
            COMMANDS, given, "reknow", "Know the same individual again: re-identification, mostly without labels."
        )
    except ReknowError as error:
        print(f"reknow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reknow: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone; Python would complain once more at exit
        return 0


def _choose(commands: dict[str, Callable[..., int]], arguments: list[str], prog: str, description: str) -> int:
    return tyro.extras.subcommand_cli_from_dict(
        commands, args=arguments, prog=prog, description=description, config=(FlagCreatePairsOff,)
    )


def demo(
    quick: Annotated[bool, arg(help="A smaller world and fewer epochs: under 90 seconds.")] = False,
    out: Annotated[Path | None, arg(help="The run's folder; by default a new one below runs/.")] = None,
    seed: Annotated[int, arg(help="Of the world and of training.")] = 0,
    json: Json = False,
) -> int:
    """Adapt the shipped recognizer to an unseen synthetic world without labels, measure it, group it, report it.

    Everything is rendered on the spot: no download, no data needed. Takes under 5 minutes on two cores.
    """
    from reknow.demo import run_demo

    result = run_demo(_new_folder(out, "demo"), seed=seed, quick=quick)
    _print(result, json, lines=[*result["lines"], f"report: {result['report']}"])
    return 0


def _train(arguments: list[str]) -> int:
    """Train by a recipe; any field of the recipe is an option."""
    from reknow.methods.recipe import Recipe, recipe_named, recipes

    if "--resume" in arguments:
        return _resume(arguments)
    if not arguments or arguments[0].startswith("-"):
        wants_help = not arguments or arguments[0] in ("-h", "--help")
        listing = "\n".join(f"  {name}" for name in sorted(recipes()))
        text = (
            "usage: reknow train RECIPE --data FORMAT:PATH [--weights W] [--out FOLDER] [--FIELD VALUE ...]\n"
            "       reknow train --resume RUN\n\n"
            f"recipes:\n{listing}\n\n'reknow train RECIPE --help' lists every field of that recipe."
        )
        if wants_help:
            print(text)
            return 0
        raise RecipeError("reknow train", found=f"'{arguments[0]}' where a recipe's name belongs", remedy=text)
    preset = recipe_named(arguments[0])
    # Made here and not at import: the recipe's own fields are options too, with this recipe's values as defaults.
    options_type = make_dataclass(
        "Options",
        [
            ("recipe", Annotated[Recipe, arg(name="")], field(default=preset)),
            ("out", Annotated[Path | None, arg(help="The run's folder; by default a new one below runs/.")], None),
            ("init_from", Annotated[Path | None, arg(help=INIT_FROM_HELP)], None),
            ("json", Json, False),
        ],
        frozen=True,
    )
    options: Any = tyro.cli(
        options_type,
        args=arguments[1:],
        prog=f"reknow train {arguments[0]}",
        description=f"Train by the recipe '{arguments[0]}' (status: {preset.status}). Any field can be replaced. "
        "To continue a run with everything it had: reknow train --resume RUN",
        config=(AvoidSubcommands,),
    )
    recipe = options.recipe
    if options.init_from is not None:
        from reknow.training.start import starting_from

        recipe = starting_from(recipe, options.init_from)
    folder = _new_folder(options.out, recipe.name.replace("/", "-"))
    return _carry_out(recipe, folder, resume=False, json=options.json)


def _resume(arguments: list[str]) -> int:
    """``train [RECIPE] --resume RUN``: the run's own recipe counts, so no field may be replaced."""
    from reknow.training.run import Run

    def resume(resume: Path, json: Json = False) -> int:
        """Continue a run with everything it had: weights, optimizer, memories, random numbers."""
        return _carry_out(Run.open(resume).recipe(), resume, resume=True, json=json)

    rest = arguments[1:] if not arguments[0].startswith("-") else arguments
    return tyro.cli(resume, args=rest, prog="reknow train", config=(FlagCreatePairsOff,))


def _carry_out(recipe: Any, folder: Path, *, resume: bool, json: bool) -> int:
    from reknow.report.build import report_of
    from reknow.training.train import train

    try:
        outcome = train(recipe, folder, resume=resume)
    except KeyboardInterrupt:
        print(f"reknow: interrupted. Continue with: reknow train --resume {folder}", file=sys.stderr)
        return 130
    if not outcome.main_process:
        return 0
    report = report_of(outcome)
    summary = {**outcome.summary, "run": str(folder), "report": str(report)}
    _print(summary, json, lines=[*_scores(outcome.summary), f"run: {folder}", f"report: {report}"])
    return 0


def evaluate(
    recognizer: Annotated[Positional[str], arg(help=SHIPPED_HELP)],
    data: Data,
    rerank: Annotated[bool, arg(help="Also score k-reciprocal re-ranking.")] = False,
    out: Annotated[Path | None, arg(help="Write report.html and scores.json into this new folder.")] = None,
    json: Json = False,
) -> int:
    """Score a recognizer on a data set that has identities: mAP, CMC, mINP with intervals, by a named protocol."""
    from reknow.report.build import evaluation_report
    from reknow.training.assessment import evaluate_recognizer
    from reknow.training.progress import Display

    with Display() as display:
        result = evaluate_recognizer(_recognizer(recognizer), data, rerank=rerank, display=display)
    lines = _scores(result.numbers)
    if out is not None:
        report = evaluation_report(result, out)
        (out / "scores.json").write_text(json_format.dumps(result.numbers, indent=2) + "\n")
        lines.append(f"report: {report}")
    _print(result.numbers, json, lines=lines)
    return 0


def embed(
    recognizer: Annotated[Positional[str], arg(help=SHIPPED_HELP)],
    data: Data,
    out: Annotated[Path, arg(help="The Parquet file to write.")] = Path("embeddings.parquet"),
    json: Json = False,
) -> int:
    """Embed every picture of a data set into one Parquet file, for `reknow cluster` or for your own tools."""
    from reknow.data.formats import open_dataset
    from reknow.training.progress import Display

    _refuse_existing(out)
    model, manifest = _recognizer(recognizer), open_dataset(data)
    with Display() as display:
        embeddings = model.embed_manifest(manifest, display.bar("embedding"))
    embeddings.write(out)
    facts = {
        "pictures": len(embeddings),
        "dim": int(embeddings.vectors.shape[1]),
        "file": str(out),
        "notes": list(manifest.notes),
    }
    _print(facts, json, lines=[*_notes(facts), f"{len(embeddings):,} pictures x {facts['dim']} numbers: {out}"])
    return 0


def cluster(
    embeddings: Annotated[Positional[Path], arg(help="What `reknow embed` wrote.")],
    out: Annotated[Path, arg(help="The CSV to write: image, group (-1 = in no group).")] = Path("groups.csv"),
    eps: Annotated[
        float | Literal["auto"], arg(help="Largest Jaccard distance between neighbors; larger merges more.")
    ] = "auto",
    min_samples: Annotated[int, arg(help="Pictures that make a group.")] = 4,
    k1: Annotated[int, arg(help="Size of the reciprocal neighborhoods.")] = 30,
    json: Json = False,
) -> int:
    """Group embedded pictures by individual, without labels: a CSV with a group for each picture."""
    from reknow.clustering.dbscan import pseudo_labels
    from reknow.data.embeddings import Embeddings
    from reknow.training.groups import write_groups

    _refuse_existing(out)
    read = Embeddings.read(embeddings)
    found = pseudo_labels(read.vectors, eps=eps, min_samples=min_samples, k1=k1)
    write_groups(read.manifest, found.labels, out)
    facts = {
        "pictures": len(read),
        "groups": found.num_clusters,
        "in_no_group": found.num_outliers,
        "eps": found.eps,
        "file": str(out),
        "notes": [found.warning] if found.warning else [],
    }
    line = f"{found.num_clusters:,} groups; {found.num_outliers:,} of {len(read):,} pictures in none"
    _print(facts, json, lines=[*_notes(facts), f"{line} (eps {found.eps:.2f}): {out}"])
    return 0


def study(
    name: Annotated[Positional[str | None], arg(help="Which study; without a name they are listed.")] = None,
    quick: Annotated[bool, arg(help="A small world and few epochs, to see that it runs.")] = False,
    seeds: Annotated[int, arg(help="Runs of each variant; each has its own world.")] = 3,
    out: Annotated[Path | None, arg(help="The study's folder; by default runs/study-NAME.")] = None,
    json: Json = False,
) -> int:
    """Carry out a study: a table and a plot of variants over seeds. The same command continues an interrupted one."""
    from reknow.studies.carry_out import carry_out
    from reknow.studies.sizes import scale_here
    from reknow.studies.study import studies, study_named

    scale = scale_here(quick)
    if name is None:
        questions = {known: function(scale).question for known, function in sorted(studies().items())}
        width = max(len(known) for known in questions)
        lines = [f"{known:<{width}}  {question}" for known, question in questions.items()]
        _print({"studies": questions}, json, lines=lines)
        return 0
    chosen = study_named(name, scale)
    folder = out or Path("runs") / f"study-{name}{'-quick' if quick else ''}"
    try:
        findings = carry_out(chosen, folder, seeds=seeds)
    except KeyboardInterrupt:
        print(f"reknow: interrupted. The same command with --out {folder} continues.", file=sys.stderr)
        return 130
    _print({**findings.as_json(), "folder": str(folder)}, json, lines=[findings.as_markdown(), f"study: {folder}"])
    return 0


def explain_tokens(
    run: Annotated[Positional[Path], arg(help="A finished run whose method chooses patches, such as tcmm.")],
    data: Annotated[str | None, arg(help="Look at other data, as FORMAT:PATH; by default the run's own.")] = None,
    count: Annotated[int, arg(help="Pictures on the sheet.")] = 6,
    out: Annotated[Path, arg(help="The PNG to write; must be new.")] = Path("tokens.png"),
    json: Json = False,
) -> int:
    """Show which patches a run's method takes for the object, before and after training.

    On the synthetic world, where each pixel is known, it also says how often they lie there.
    """
    from reknow.explain.run import explain_run
    from reknow.explain.sheet import save_token_sheet
    from reknow.training.progress import Display
    from reknow.training.run import Run

    _refuse_existing(out)
    with Display() as display:
        explanation = explain_run(Run.open(run), data, shown=count, progress=display.bar("choosing"))
    save_token_sheet(explanation, out, shown=count)
    facts = {**explanation.facts(), "file": str(out)}
    _print(facts, json, lines=[*_notes(facts), *_shares(facts), f"sheet: {out}"])
    return 0


def export(
    recognizer: Annotated[Positional[str], arg(help=SHIPPED_HELP)],
    to: Annotated[Literal["onnx"], arg(help="The format.")] = "onnx",
    out: Annotated[Path, arg(help="The file to write; must be new.")] = Path("recognizer.onnx"),
    json: Json = False,
) -> int:
    """Write a recognizer as a file for other programs: pixels in, unit vectors out; it is compared with torch first."""
    from reknow.export import export_onnx

    exported = export_onnx(_recognizer(recognizer), out)
    facts = {
        "format": to,
        "file": str(exported.path),
        "bytes": exported.size,
        "opset": exported.opset,
        "batches": exported.batches,
        "deviation": exported.deviation,
        "metadata": exported.metadata,
    }
    lines = [f"{name}: {said}" for name, said in exported.metadata.items() if said]
    checked = f"in batches of {', '.join(map(str, exported.batches))} it differs from torch by {exported.deviation:.1g}"
    _print(facts, json, lines=[*lines, f"{exported.size / 1e6:.1f} MB, opset {exported.opset}; {checked}: {out}"])
    return 0


def data_check(data: Annotated[Positional[str], arg(help="FORMAT:PATH")], json: Json = False) -> int:
    """Look for what would spoil training or numbers, row by row; exit code 1 if there are errors."""
    from reknow.data.doctor import examine
    from reknow.data.formats import open_dataset
    from reknow.training.progress import Display

    manifest = open_dataset(data)
    with Display() as display:
        findings = examine(manifest, progress=display.bar("examining"))
    errors = sum(finding.severity == "error" for finding in findings)
    rows = [
        {
            "severity": f.severity,
            "kind": f.kind,
            "row": f.row,
            "where": f.where,
            "message": f.message,
            "remedy": f.remedy,
        }
        for f in findings
    ]
    lines = _first_of_each_kind(findings)
    lines += [f"note: {note}" for note in manifest.notes]
    lines.append(f"{len(manifest):,} rows: {errors} errors, {len(findings) - errors} warnings")
    _print(
        {"rows": len(manifest), "errors": errors, "findings": rows, "notes": list(manifest.notes)}, json, lines=lines
    )
    return 1 if errors else 0


def data_import(
    data: Annotated[Positional[str], arg(help="FORMAT:PATH")],
    out: Annotated[Path, arg(help="The .csv or .parquet file to write; must be new.")],
    json: Json = False,
) -> int:
    """Write any data set as a table that you can edit; use it as table:FILE."""
    from reknow.data.formats import import_dataset, open_dataset

    manifest = open_dataset(data)
    spec = import_dataset(manifest, out)
    _print({"rows": len(manifest), "data": spec}, json, lines=[f"{len(manifest):,} rows; use them as --data '{spec}'"])
    return 0


def data_show(data: Annotated[Positional[str], arg(help="FORMAT:PATH")], json: Json = False) -> int:
    """Count pictures, identities, cameras and spectra of a data set, per split."""
    from reknow.data.doctor import summary
    from reknow.data.formats import open_dataset

    manifest = open_dataset(data)
    facts = {**summary(manifest), "notes": list(manifest.notes)}
    lines = [f"{facts['name']}: {facts['root']} (protocol {facts['protocol']})", *_notes(facts)]
    for split, counts in facts["splits"].items():
        spectra = ", ".join(f"{name} {count:,}" for name, count in counts["spectra"].items())
        lines.append(
            f"{split:>8}: {counts['observations']:>7,} observations, {counts['identities']:>6,} identities, "
            f"{counts['cameras']:>3} cameras ({spectra})"
        )
    _print(facts, json, lines=lines)
    return 0


def list_recipes(json: Json = False) -> int:
    """List every recipe with its data, length and status."""
    from reknow.methods.recipe import recipes

    rows = []
    for name, function in sorted(recipes().items()):
        recipe = function()
        about = (function.__doc__ or "").strip().splitlines()[0]
        rows.append({"recipe": name, "about": about, "status": recipe.status, "epochs": recipe.epochs})
    width = max(len(row["recipe"]) for row in rows)
    _print({"recipes": rows}, json, lines=[f"{r['recipe']:<{width}}  {r['about']} [{r['status']}]" for r in rows])
    return 0


def train() -> int:
    """Train by a recipe; `reknow train --help` lists the recipes, `reknow train RECIPE --help` its fields."""
    return _train([])


def explain() -> int:
    """Look at what a run has learned to look at: `reknow explain tokens`."""
    return _choose(EXPLAIN_COMMANDS, [], "reknow explain", "Look at what a run has learned to look at.")


def data() -> int:
    """Look at a data set: `reknow data show`, `data check`, `data import`."""
    return _choose(DATA_COMMANDS, [], "reknow data", "Look at a data set before it is used.")


COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "train": train,
    "evaluate": evaluate,
    "embed": embed,
    "cluster": cluster,
    "explain": explain,
    "export": export,
    "data": data,
    "recipes": list_recipes,
    "study": study,
}
DATA_COMMANDS: dict[str, Callable[..., int]] = {"check": data_check, "import": data_import, "show": data_show}
EXPLAIN_COMMANDS: dict[str, Callable[..., int]] = {"tokens": explain_tokens}


def _first_of_each_kind(findings: Sequence[Any], shown: int = 10) -> list[str]:
    """At most ten findings of a kind in full: a wrong root would print one for every picture."""
    lines, count = [], Counter(finding.kind for finding in findings)
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.kind] += 1
        if seen[finding.kind] <= shown:
            lines.append(f"{finding.severity}: {finding.where}: {finding.message}. {finding.remedy}")
        elif seen[finding.kind] == count[finding.kind]:
            lines.append(f"{finding.severity}: {finding.kind}: {count[finding.kind] - shown:,} more (all with --json)")
    return lines


def _recognizer(name: str) -> Any:
    from reknow.recognizer import load

    return load(None if name == "shipped" else name)


def _new_folder(wanted: Path | None, name: str) -> Path:
    """The folder that the user named, or the next free number below runs/."""
    if wanted is not None:
        return wanted
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise DataError(path, found="already exists", remedy="Name another file with --out, or move this one away.")


def _scores(numbers: dict[str, Any]) -> list[str]:
    """Numbers in words; before and after where both exist."""
    lines = _notes(numbers)
    start = numbers.get("start") or {}
    for name in ("mAP", "rank1", "rank5", "rank10", "mINP"):
        value = numbers.get(name)
        if value is not None:
            earlier = start.get(name)
            lines.append(
                f"{name:>7} {value:5.1f}" + (f"  (before training {earlier:.1f})" if earlier is not None else "")
            )
    if numbers.get("protocol"):
        unmatched = numbers.get("queries_without_match", 0)
        lines.append(
            f"protocol {numbers['protocol']}: {numbers['queries']} queries, {unmatched} of them without a match"
        )
    return lines


def _shares(facts: dict[str, Any]) -> list[str]:
    """How often patches were chosen well, in percent with intervals."""
    lines = [
        f"{facts['pictures']:,} pictures of {facts['patches']} patches: {facts['positives']} positive and "
        f"{facts['negatives']} negative in each"
    ]
    if not facts["shares"]:
        lines.append("no shares: of these pictures nobody knows which pixels show the object")
    for name, share in facts["shares"].items():
        found = [
            f"{moment} {share[moment]['mean']:.1f} ({share[moment]['low']:.1f} to {share[moment]['high']:.1f})"
            for moment in ("before", "after")
            if moment in share
        ]
        lines.append(f"{name.replace('_', ' ')}, percent: {', '.join(found)}; by chance {share['chance']:.1f}")
    return lines


def _notes(facts: dict[str, Any]) -> list[str]:
    return [f"note: {note}" for note in facts.get("notes", ())]


def _print(facts: dict[str, Any], json: bool, lines: list[str]) -> None:
    print(json_format.dumps(facts, default=str) if json else "\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
