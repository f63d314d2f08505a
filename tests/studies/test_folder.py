"""A study's folder is its own, and a run in it is the run that is wanted, or is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reknow.errors import RunError
from reknow.studies.folder import Record, RunFolder, StudyFolder
from reknow.training.records import EpochLine
from reknow.training.run import Run


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match="holds no study"):
        StudyFolder.claim(tmp_path, "small")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_another_study_s_folder_is_refused(tmp_path):
    StudyFolder.claim(tmp_path / "study", "small")
    StudyFolder.claim(tmp_path / "study", "small")
    with pytest.raises(RunError, match="holds the study 'small'; expected 'large'"):
        StudyFolder.claim(tmp_path / "study", "large")


def test_a_run_of_another_recipe_is_refused_by_the_fields_that_differ(tmp_path, tiny):
    Run.create(tmp_path / "run", tiny)
    folder = RunFolder(tmp_path / "run")
    folder.check(tiny)
    with pytest.raises(RunError, match=r"another recipe: epochs 3 instead of 9;"):
        folder.check(replace(tiny, epochs=9))


def test_a_run_stopped_before_its_first_checkpoint_is_cleared(tmp_path, tiny):
    run = Run.create(tmp_path / "run", tiny)
    run.log(EpochLine(0, {"clusters": 3}))
    folder = RunFolder(tmp_path / "run")
    folder.clear()
    assert not folder.path.exists()


def test_nothing_that_is_not_a_run_s_is_cleared(tmp_path, tiny):
    Run.create(tmp_path / "run", tiny).write("notes.txt", "precious")
    RunFolder(tmp_path / "run").clear()
    assert (tmp_path / "run" / "notes.txt").read_text() == "precious"


def test_a_run_with_a_checkpoint_is_never_cleared(tmp_path, tiny):
    Run.create(tmp_path / "run", tiny).save({})
    folder = RunFolder(tmp_path / "run")
    folder.clear()
    assert folder.resumable


def test_a_record_comes_back_as_it_was(tmp_path):
    record = Record(numbers={"mAP": 71.25}, average_precision=np.array([0.5, np.nan]), machine={"CPU": "2 cores"})
    folder = RunFolder(tmp_path / "run")
    folder.keep(record)
    assert folder.finished
    read = folder.record()
    assert read.numbers == record.numbers
    assert read.machine == record.machine
    np.testing.assert_array_equal(read.average_precision, record.average_precision)


def test_a_damaged_record_names_its_file(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "record.json").write_text('{"numbers": ')
    with pytest.raises(RunError, match=r"record\.json: damaged"):
        folder.record()
