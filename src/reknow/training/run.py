"""A run folder: what a training run writes, all of it atomically.

::

    recipe.yaml        the resolved recipe; repeats the run
    metrics.jsonl      one object per log step, epoch and evaluation
    summary.json       the final numbers
    checkpoints/       last.pt: everything that a resumed run needs
    recognizer/        the trained network with its preprocessing and card
    diagnostics/       01-title.png and so on, pictures that the method made; captions.json names them
    groups.csv, report.html
    network.yaml       or another text that the method leaves
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from reknow.data.picture_files import open_picture
from reknow.errors import ContractError, RunError
from reknow.methods.diagnostic import Diagnostic, check_diagnostics
from reknow.methods.recipe import Recipe
from reknow.training.records import Line, Metrics, Summary
from reknow.values import from_plain, to_plain
from reknow.writing import failures_named, write_file, written_whole

OWN_FILES = ("recipe.yaml", "metrics.jsonl", "summary.json", "groups.csv", "report.html")
"""What a run, its report included, writes itself; no method may write another file of these names."""

RESUME = "Free space or permissions there. What was written before is whole; continue with --resume."
"""What to do where a run could not write."""


class Run:
    """One run's folder.

    Args:
        folder: where it lies; use :meth:`create` or :meth:`open`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @classmethod
    def create(cls, folder: Path, recipe: Recipe) -> Run:
        """Start a new run; a folder that holds anything is refused, since nothing is ever overwritten."""
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(
                folder,
                found="already exists and is not empty",
                remedy="Name another folder with --out, or continue that run with --resume.",
            )
        run = cls(folder)
        with failures_named(folder, remedy=RESUME):
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        run.keep_recipe(recipe)
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """A run that exists."""
        if not (Path(folder) / "recipe.yaml").is_file():
            raise RunError(
                folder,
                found="no recipe.yaml, so no run",
                expected="a folder that reknow train wrote",
                remedy="Check the path.",
            )
        return cls(folder)

    def keep_recipe(self, recipe: Recipe) -> None:
        """Write ``recipe.yaml``."""
        self.write("recipe.yaml", yaml.safe_dump(to_plain(recipe), sort_keys=False))

    def recipe(self) -> Recipe:
        """The recipe as the run resolved it."""
        path = self.folder / "recipe.yaml"
        try:
            value = from_plain(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            words = " ".join(str(error).split())
            raise RunError(path, found=f"not YAML ({words})", remedy="Restore the file as the run wrote it.") from error
        if not isinstance(value, Recipe):
            raise RunError(path, found="not a recipe", remedy="Restore the file as the run wrote it.")
        return value

    def write(self, name: str, text: str) -> Path:
        """Write a text file beside and rename it."""
        return write_file(self.folder / name, text, remedy=RESUME)

    def summarize(self, summary: Summary) -> None:
        """Write ``summary.json``."""
        self.write("summary.json", json.dumps(summary.as_json(), indent=2) + "\n")

    def summary(self) -> Summary:
        """The final numbers.

        Raises:
            RunError: the run is not finished, or the file is damaged.
        """
        path = self.folder / "summary.json"
        if not path.is_file():
            raise RunError(path, found="no such file", remedy="Finish the run first: reknow train --resume RUN")
        return Summary.read(path.read_text(encoding="utf-8", errors="replace"), str(path))

    @property
    def log_file(self) -> Path:
        """``metrics.jsonl``."""
        return self.folder / "metrics.jsonl"

    def log(self, line: Line) -> None:
        """Append one line to the metrics."""
        with failures_named(self.log_file, remedy=RESUME), self.log_file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line.as_json()) + "\n")

    def metrics(self) -> Metrics:
        """The metrics so far.

        Raises:
            RunError: a line that no run writes.
        """
        if not self.log_file.exists():
            return Metrics()
        # A line is appended, not renamed: a machine that stopped while it wrote leaves half of one.
        whole, _, _ = self.log_file.read_text(encoding="utf-8", errors="replace").rpartition("\n")
        return Metrics.read(whole, str(self.log_file))

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; on a full disk the previous one stays whole."""
        state = {**state, "metrics_bytes": self.log_file.stat().st_size if self.log_file.exists() else 0}
        path = self.checkpoint_file
        # torch says of a full disk that its zip writer failed, by a RuntimeError.
        with written_whole(path, remedy=RESUME, also=(RuntimeError,)) as beside:
            torch.save(state, beside)

    @property
    def checkpoint_file(self) -> Path:
        """``checkpoints/last.pt``; a run that stopped before its first checkpoint has none."""
        return self.folder / "checkpoints" / "last.pt"

    def load(self) -> dict[str, Any]:
        """The last checkpoint.

        Raises:
            RunError: it is damaged, or of another version.
        """
        path = self.checkpoint_file
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises a dozen kinds for damaged files
            raise RunError(path, found=f"damaged checkpoint ({error})", remedy="Start the run again.") from error
        if not isinstance(state, dict) or not {"start", "position", "optimizers"} <= state.keys():
            raise RunError(
                path,
                found="no checkpoint of this version",
                expected="what a run of this version of reknow wrote",
                remedy="Resume with the version that began the run, or start the run again.",
            )
        return state

    def keep_diagnostics(self, diagnostics: Sequence[Diagnostic], package: str) -> None:
        """Write the method's pictures, and ``captions.json`` when all are there; nothing where there are none.

        Files are numbered, so a title may be any text and may stand twice.

        Args:
            diagnostics: the method's.
            package: where the method comes from, for messages.

        Raises:
            RunError: something that cannot be drawn; nothing is written then. Or the disk is full.
        """
        check_diagnostics(diagnostics, package)
        captions, folder = [], self.folder / "diagnostics"
        for number, diagnostic in enumerate(diagnostics, 1):
            words = re.sub(r"[^0-9A-Za-z]+", "-", diagnostic.title).strip("-").lower()[:40]
            path = folder / f"{number:02d}-{words or 'picture'}.png"
            with failures_named(folder, remedy=RESUME):
                folder.mkdir(exist_ok=True)
            with written_whole(path, remedy=RESUME) as beside:
                Image.fromarray(diagnostic.picture).save(beside, format="PNG")
            captions.append({"file": path.name, "title": diagnostic.title, "caption": diagnostic.caption})
        if captions:
            self.write("diagnostics/captions.json", json.dumps(captions, indent=2) + "\n")

    def diagnostics(self) -> list[Diagnostic]:
        """The pictures of :meth:`keep_diagnostics`, in order.

        Raises:
            RunError: a file of them is damaged or gone.
        """
        path = self.folder / "diagnostics" / "captions.json"
        if not path.is_file():
            return []
        try:
            return [
                Diagnostic(
                    title=entry["title"],
                    caption=entry["caption"],
                    picture=np.asarray(
                        open_picture(BytesIO(path.with_name(entry["file"]).read_bytes())).convert("RGB")
                    ),
                )
                for entry in json.loads(path.read_text(encoding="utf-8"))
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                path, found=f"cannot be read with its pictures ({error})", remedy=f"Delete the folder {path.parent}."
            ) from error

    def keep_files(self, files: Mapping[str, str], package: str) -> list[Path]:
        """Write the texts that the method leaves.

        Args:
            files: the method's, by name.
            package: where the method comes from, for messages.

        Returns:
            where they lie.

        Raises:
            ContractError: something else than texts, or a name that is none or that the run has itself.
            RunError: the disk is full.
        """
        for name, text in files.items():
            if not isinstance(text, str) or name in OWN_FILES or not re.fullmatch(r"\w[\w.-]*\.\w+", name, re.ASCII):
                raise ContractError(
                    f"package '{package.partition('.')[0]}', files of its method",
                    found=f"'{name}'" if isinstance(text, str) else f"'{name}', a {type(text).__name__}",
                    expected=f"texts by file names such as 'network.yaml', other than {', '.join(OWN_FILES)}",
                    remedy="Correct what the method's files() returns.",
                )
        return [self.write(name, text) for name, text in files.items()]

    def cut_metrics(self, logged: int, finished: int) -> None:
        """Forget what was logged after a checkpoint, since it will be logged again, but for its evaluation.

        Args:
            logged: bytes of the log when the checkpoint was written.
            finished: the last finished epoch then. Its evaluation, made after the checkpoint, may follow.
        """
        if not self.log_file.exists():
            return
        line, end, _ = self.log_file.read_bytes()[logged:].partition(b"\n")
        kept = Metrics.read(line.decode(errors="replace"), str(self.log_file)).evaluations if end else ()
        if any(evaluation.epoch == finished for evaluation in kept):
            logged += len(line) + len(end)
        os.truncate(self.log_file, min(logged, self.log_file.stat().st_size))

    def begin_again(self) -> None:
        """Forget what was logged by a run that stopped before its first checkpoint."""
        with failures_named(self.log_file, remedy=RESUME):
            self.log_file.unlink(missing_ok=True)
