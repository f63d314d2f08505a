"""Commands on a data set: ``reknow data check``, ``data import``, ``data show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from reknow.cli.options import DATA_HELP, Json, check_new_file
from reknow.cli.printing import first_of_each_kind, notes, own_columns, print_facts


def check(data: Annotated[Positional[str], arg(help=DATA_HELP)], json: Json = False) -> int:
    """Check every row for errors that harm training or scores; the exit code is 1 if there are any."""
    from reknow.data.doctor import check_manifest
    from reknow.data.formats import open_dataset
    from reknow.progress import Display

    manifest = open_dataset(data)
    with Display() as display:
        findings = check_manifest(manifest, progress=display.bar("checking rows"))
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
    lines = first_of_each_kind(findings)
    lines += [f"note: {note}" for note in manifest.notes]
    lines.append(f"{len(manifest):,} rows: {errors} errors, {len(findings) - errors} warnings")
    print_facts(
        {"rows": len(manifest), "errors": errors, "findings": rows, "notes": list(manifest.notes)}, json, lines=lines
    )
    return 1 if errors else 0


def import_as_table(
    data: Annotated[Positional[str], arg(help=DATA_HELP)],
    out: Annotated[Path, arg(help="The .csv or .parquet file to write; must be new.")],
    json: Json = False,
) -> int:
    """Write any data set as a table that you can edit; use it as table:FILE."""
    from reknow.data.formats import open_dataset
    from reknow.data.formats.table import import_dataset

    check_new_file(out, ".csv", ".parquet")
    manifest = open_dataset(data)
    name = import_dataset(manifest, out)
    print_facts(
        {"rows": len(manifest), "data": name}, json, lines=[f"{len(manifest):,} rows; use them as --data '{name}'"]
    )
    return 0


def show(data: Annotated[Positional[str], arg(help=DATA_HELP)], json: Json = False) -> int:
    """Count pictures, identities, cameras and spectra of a data set, per split, and show your own columns."""
    from reknow.data.doctor import summary
    from reknow.data.formats import open_dataset

    manifest = open_dataset(data)
    facts = {**summary(manifest), "notes": list(manifest.notes)}
    lines = [f"{facts['name']}: {facts['root']} (protocol {facts['protocol']})", *notes(facts)]
    for split, counts in facts["splits"].items():
        spectra = ", ".join(f"{name} {count:,}" for name, count in counts["spectra"].items())
        lines.append(
            f"{split:>8}: {counts['observations']:>7,} observations, {counts['identities']:>6,} identities, "
            f"{counts['cameras']:>3} cameras ({spectra})"
        )
    lines += own_columns(facts)
    print_facts(facts, json, lines=lines)
    return 0
