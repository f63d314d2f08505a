"""A run folder keeps a method's pictures whole, whatever their titles are, and refuses what is no picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from reknow.errors import ContractError, RunError
from reknow.methods.cluster_contrast.method import ClusterContrast
from reknow.methods.diagnostic import Diagnostic, check_diagnostics
from reknow.training.run import Run
from reknow.training.train import train


def made(title: str, shade: int = 0, picture: object = None) -> Diagnostic:
    diagnostic = Diagnostic(title=title, caption=f"Shade {shade}.", picture=np.full((6, 4, 3), shade, dtype=np.uint8))
    if picture is not None:  # past the checks of the tests, which users' methods do not have
        object.__setattr__(diagnostic, "picture", picture)
    return diagnostic


@pytest.fixture
def run(tiny, tmp_path) -> Run:
    return Run.create(tmp_path / "run", tiny)


def test_pictures_come_back_as_they_were_kept(run):
    kept = [made("Memory of clusters", 10), made("Weights", 200)]
    run.keep_diagnostics(kept, "somebody")
    folder = run.folder / "diagnostics"
    assert sorted(file.name for file in folder.iterdir()) == [
        "01-memory-of-clusters.png",
        "02-weights.png",
        "captions.json",
    ]
    found = run.diagnostics()
    assert [(one.title, one.caption) for one in found] == [(one.title, one.caption) for one in kept]
    assert all(np.array_equal(one.picture, other.picture) for one, other in zip(found, kept, strict=True))


def test_titles_may_be_any_text_and_stand_twice(run):
    titles = ["../../etc/passwd", "same", "same", "<b>bold</b>\n", "", "é\0" + "x" * 300]
    run.keep_diagnostics([made(title, shade) for shade, title in enumerate(titles)], "somebody")
    assert [one.title for one in run.diagnostics()] == titles
    assert [int(one.picture[0, 0, 0]) for one in run.diagnostics()] == list(range(6))
    assert len(list((run.folder / "diagnostics").glob("*.png"))) == 6


def test_nothing_is_written_where_there_is_nothing(run):
    run.keep_diagnostics((), "somebody")
    assert run.diagnostics() == [] and not (run.folder / "diagnostics").exists()


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((6, 4, 3)),
        np.zeros((6, 4), np.uint8),
        np.zeros((6, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 6, 4, 3), np.uint8),
        torch.zeros(6, 4, 3, dtype=torch.uint8),
    ],
    ids=["float", "gray", "alpha", "empty", "batch", "tensor"],
)
def test_what_is_no_picture_is_refused_with_the_method_s_package_and_nothing_is_written(run, bad):
    where = r"package 'somebody', diagnostic 1: 'odd'"
    with pytest.raises(RunError, match=f"{where} with a picture"):
        run.keep_diagnostics([made("fine"), made("odd", picture=bad)], "somebody")
    assert not (run.folder / "diagnostics").exists()


def test_what_is_no_diagnostic_is_refused():
    with pytest.raises(RunError, match=r"package 'made', diagnostic 0: a ndarray; expected a Diagnostic"):
        check_diagnostics([np.zeros((6, 4, 3), np.uint8)], "made")


def test_damaged_or_lost_files_are_named(run):
    run.keep_diagnostics([made("one")], "somebody")
    captions = run.folder / "diagnostics" / "captions.json"
    (run.folder / "diagnostics" / "01-one.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"captions\.json: cannot be read"):
        run.diagnostics()
    for text in ("{", "[1]", '[{"title": "a"}]', json.dumps([{"file": "gone.png", "title": "a", "caption": "b"}])):
        captions.write_text(text)
        with pytest.raises(RunError, match=r"captions\.json: cannot be read"):
            run.diagnostics()


def test_training_keeps_what_the_trained_method_draws(tiny, crops, tmp_path, monkeypatch):
    asked = []

    def diagnostics(self: ClusterContrast) -> list[Diagnostic]:
        asked.append((self.training, self.network.training))
        return [made("Memory")]

    monkeypatch.setattr(ClusterContrast, "diagnostics", diagnostics)
    outcome = train(replace(tiny, data=f"folder:{crops}", epochs=1), tmp_path / "trained")
    assert asked == [(False, False)]
    with Image.open(outcome.run.folder / "diagnostics" / "01-memory.png") as picture:
        assert picture.size == (4, 6)


def test_a_diagnostic_that_is_wrong_costs_nothing_of_what_was_trained(tiny, crops, tmp_path, monkeypatch):
    recipe = replace(tiny, data=f"folder:{crops}", epochs=1)
    monkeypatch.setattr(ClusterContrast, "diagnostics", lambda _self: [made("odd", picture=np.zeros(3))])
    with pytest.raises(RunError, match="The trained recognizer is saved"):
        train(recipe, tmp_path / "trained")
    assert (tmp_path / "trained" / "recognizer").is_dir() and (tmp_path / "trained" / "summary.json").is_file()
    monkeypatch.undo()
    assert train(recipe, tmp_path / "trained", resume=True).summary.recipe == recipe.name


def test_texts_that_a_method_leaves_are_written_by_their_names(run):
    files = run.keep_files({"network.yaml": "a: 1\n", "notes.txt": "é"}, "somebody.method")
    assert [file.name for file in files] == ["network.yaml", "notes.txt"]
    assert [file.read_text(encoding="utf-8") for file in files] == ["a: 1\n", "é"]
    assert files[0].parent == run.folder


@pytest.mark.parametrize(
    "name", ["recipe.yaml", "summary.json", "report.html", "../above.txt", "folder/x.txt", "", ".hidden", "é.txt", "x"]
)
def test_a_text_of_a_name_that_the_run_has_or_that_is_none_is_refused_and_none_is_written(run, name):
    before = sorted(run.folder.rglob("*"))
    with pytest.raises(
        ContractError, match=r"package 'somebody', files of its method: '.*; expected texts by file names"
    ):
        run.keep_files({"fine.txt": "text", name: "text"}, "somebody.method")
    assert sorted(run.folder.rglob("*")) == before


def test_what_is_no_text_is_refused(run):
    with pytest.raises(ContractError, match=r"'network\.yaml', a dict"):
        vars(Run)["keep_files"].__wrapped__(run, {"network.yaml": {}}, "somebody")
