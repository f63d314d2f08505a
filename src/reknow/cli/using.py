"""Commands that use a recognizer: evaluate, embed, cluster what was embedded, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from reknow.cli.auditing import AuditPairs, audit_in_words, check_audit, write_audit
from reknow.cli.options import (
    SHIPPED_HELP,
    Data,
    Json,
    NumberFormat,
    PictureSize,
    check_new_file,
    check_new_folder,
    reading_of,
    recognizer_named,
)
from reknow.cli.printing import by_occlusion, by_split, by_subset, in_words, notes, print_facts, scores
from reknow.errors import EvaluationError, ReknowError

UNMEASURED = "These embeddings have no picture measures, so what appearance explains is unknown: embed again."
_AUTO = "'auto' follows how many near neighbors the pictures have."


def evaluate(
    recognizer: Annotated[Positional[str], arg(help=SHIPPED_HELP)],
    data: Data,
    rerank: Annotated[bool, arg(help="Also score k-reciprocal re-ranking.")] = False,
    subsets: Annotated[
        bool, arg(help="Also score every subset of the spectra, as if the others were missing.")
    ] = False,
    occlusion: Annotated[bool, arg(help="Also score queries of which 20 to 80 percent are hidden.")] = False,
    protocol: Annotated[
        str | None,
        arg(help="What searches in what, such as market, no_camera, cross_spectrum; None is the data set's own rule."),
    ] = None,
    precision: NumberFormat = "32",
    size: PictureSize = None,
    splits: Annotated[
        int | None,
        arg(
            help="Score one recognizer for each split from 1 to this, and average; {split} in both names is its number."
        ),
    ] = None,
    out: Annotated[Path | None, arg(help="Write report.html and scores.json into this new folder.")] = None,
    json: Json = False,
) -> int:
    """Score a recognizer on a data set that has identities: mAP, CMC, mINP with intervals, by a named protocol."""
    if splits is not None:
        if rerank or subsets or occlusion or out is not None:
            raise EvaluationError(
                "--splits",
                found="with --rerank, --subsets, --occlusion or --out",
                remedy="Leave these out, or score one split at a time.",
            )
        return _evaluate_splits(recognizer, data, splits, protocol, (precision, size), json)
    from reknow.evaluation.protocols import protocol_named
    from reknow.progress import Display
    from reknow.recognizer.evaluation import evaluate_recognizer
    from reknow.recognizer.occlusion import check_hides, occlusion_scores
    from reknow.recognizer.subsets import subset_scores
    from reknow.report.build import evaluation_report

    if out is not None:
        check_new_folder(out)
    if protocol is not None:
        protocol_named(protocol)
    if occlusion:
        check_hides(data)
    model = recognizer_named(recognizer, precision, size)
    with Display() as display:
        result = evaluate_recognizer(model, data, rerank=rerank, protocol=protocol, display=display)
        if subsets:
            by_spectra = subset_scores(model, data, protocol=protocol, display=display)
            result.numbers["subsets"] = [subset.as_json() for subset in by_spectra]
        if occlusion:
            by_share = occlusion_scores(model, data, protocol=protocol, display=display)
            result.numbers["occlusion"] = [score.as_json() for score in by_share]
    result.numbers["notes"] = [*reading_of(recognizer, model), *result.numbers["notes"]]
    lines = [*scores(result.numbers), *by_subset(result.numbers), *by_occlusion(result.numbers)]
    if out is not None:
        lines.append(f"report: {evaluation_report(result, out)}")
    print_facts(result.numbers, json, lines=lines)
    return 0


def _evaluate_splits(
    recognizer: str,
    data: str,
    splits: int,
    protocol: str | None,
    reading: tuple[str, tuple[int, int] | None],
    json: bool,
) -> int:
    """Score the recognizer of each split on that split, and print the means."""
    from reknow.progress import Display
    from reknow.recognizer.evaluation import averaged_over_splits, evaluate_recognizer

    if splits < 1 or any("{split}" not in name for name in (recognizer, data)):
        raise EvaluationError(
            "--splits",
            found=f"{splits} splits of '{recognizer}' and '{data}'",
            expected="1 or more, and {split} in both names, as each split has a recognizer of its own",
            remedy="For example: reknow evaluate 'runs/regdb_{split}' --data 'regdb:PATH?split={split}' --splits 10",
        )
    evaluations = []
    with Display() as display:
        for split in map(str, range(1, splits + 1)):
            model = recognizer_named(recognizer.replace("{split}", split), *reading)
            named = data.replace("{split}", split)
            evaluations.append(evaluate_recognizer(model, named, protocol=protocol, display=display))
    numbers = averaged_over_splits(evaluations)
    print_facts(numbers, json, lines=[*by_split(numbers), *scores(numbers)])
    return 0


def embed(
    recognizer: Annotated[Positional[str], arg(help=SHIPPED_HELP)],
    data: Data,
    precision: NumberFormat = "32",
    size: PictureSize = None,
    out: Annotated[Path, arg(help="The Parquet file to write.")] = Path("embeddings.parquet"),
    json: Json = False,
) -> int:
    """Embed every picture of a data set into one Parquet file, for `reknow cluster` or for your own tools."""
    from reknow.data.formats import open_dataset
    from reknow.progress import Display

    check_new_file(out)
    model, manifest = recognizer_named(recognizer, precision, size), open_dataset(data)
    with Display() as display:
        embeddings = model.embed_manifest(manifest, display.bar("embedding"), measures=True)
    embeddings.write(out)
    facts = {
        "pictures": len(embeddings),
        "dim": int(embeddings.vectors.shape[1]),
        "precision": model.computes_in,
        "size": list(model.preprocessing.size),
        "file": str(out),
        "notes": [*reading_of(recognizer, model), *manifest.notes],
    }
    made_with = in_words(facts["precision"], facts["size"])
    line = f"{len(embeddings):,} pictures x {facts['dim']} numbers, {made_with}: {out}"
    print_facts(facts, json, lines=[*notes(facts), line])
    return 0


def cluster(
    embeddings: Annotated[Positional[Path], arg(help="What `reknow embed` wrote.")],
    out: Annotated[Path, arg(help="The CSV to write: image, group (-1 = in no group).")] = Path("groups.csv"),
    eps: Annotated[
        float | Literal["auto"], arg(help="Largest Jaccard distance between neighbors; larger merges more.")
    ] = "auto",
    min_samples: Annotated[int | Literal["auto"], arg(help=f"Pictures that make a group. {_AUTO}")] = "auto",
    k1: Annotated[int | Literal["auto"], arg(help=f"Size of the neighborhoods that are compared. {_AUTO}")] = "auto",
    k2: Annotated[int | Literal["auto"], arg(help=f"Neighbors that a picture is averaged with. {_AUTO}")] = "auto",
    expect_individuals: Annotated[
        str | None, arg(help="How many individuals you expect, such as 100:300; other numbers of groups get a warning.")
    ] = None,
    audit: AuditPairs = None,
    json: Json = False,
) -> int:
    """Group embedded pictures by individual, without labels, and say how far to believe the groups."""
    from reknow.clustering.final_groups import final_groups
    from reknow.clustering.graph import check_averaged
    from reknow.data.embeddings import Embeddings
    from reknow.data.groups import write_groups
    from reknow.evaluation.trust import Expected, trust_in

    check_new_file(out)
    check_averaged("k2", k1, k2)
    expected = None if expect_individuals is None else Expected.of(expect_individuals)
    read = Embeddings.read(embeddings)
    check_audit(audit, out, read.manifest)
    final = final_groups(read.vectors, eps=eps, min_samples=min_samples, k1=k1, k2=k2)
    grouped, trust = final.groups, trust_in(final, read, expected)
    write_groups(read.manifest, grouped.labels, out)
    sizes = {"k1": grouped.sizes.k1, "k2": grouped.sizes.k2, "min_samples": grouped.sizes.min_samples}
    facts = {
        "pictures": len(read),
        "groups": grouped.num_clusters,
        "in_no_group": grouped.num_outliers,
        "eps": grouped.eps,
        **sizes,
        "trust": trust.as_json(),
        "file": str(out),
        "notes": [
            *grouped.notes,
            *([grouped.warning] if grouped.warning else []),
            *([UNMEASURED] if read.measures is None else []),
        ],
    }
    groups = "1 group" if grouped.num_clusters == 1 else f"{grouped.num_clusters:,} groups"
    line = f"{groups}; {grouped.num_outliers:,} of {len(read):,} pictures in none"
    settings = ", ".join(f"{name} {size}" for name, size in sizes.items())
    doubts = [f"warning: {warning}" for warning in trust.warnings]
    lines = [trust.sentence, *doubts, *notes(facts), f"{line} (eps {grouped.eps:.3g}, {settings}): {out}"]
    try:
        facts |= write_audit(audit, read, grouped.labels, out)
    except ReknowError:
        print_facts(facts, json, lines=lines)
        raise
    print_facts(facts, json, lines=[*lines, *audit_in_words(facts)])
    return 0


def export(
    recognizer: Annotated[Positional[str], arg(help=SHIPPED_HELP)],
    to: Annotated[Literal["onnx"], arg(help="The format.")] = "onnx",
    input: Annotated[
        Literal["normalized", "pixels"],
        arg(
            help="What goes in: floats (N, 3, H, W) normalized by ImageNet's mean and deviation, as boxmot, Triton and "
            "DeepStream feed them; or RGB bytes (N, H, W, 3)."
        ),
    ] = "normalized",
    out: Annotated[Path, arg(help="The file to write, NAME.onnx; must be new.")] = Path("recognizer.onnx"),
    json: Json = False,
) -> int:
    """Write a recognizer as a file for other programs: pictures in, unit vectors out, compared with torch first."""
    from reknow.export import export_onnx

    check_new_file(out)
    model = recognizer_named(recognizer)
    exported = export_onnx(model, out, input)
    facts = {
        "format": to,
        "file": str(exported.path),
        "input": exported.input,
        "bytes": exported.size,
        "opset": exported.opset,
        "batches": exported.batches,
        "deviation": exported.deviation,
        "metadata": exported.metadata,
        "notes": reading_of(recognizer, model),
    }
    lines = [*notes(facts), *(f"{name}: {said}" for name, said in exported.metadata.items() if said)]
    checked = f"compared with torch in batches of {', '.join(map(str, exported.batches))}"
    lines.append(f"{checked}: components differ by {exported.deviation:.2g} at most")
    print_facts(facts, json, lines=[*lines, f"{exported.size / 1e6:.1f} MB, opset {exported.opset}: {out}"])
    return 0
