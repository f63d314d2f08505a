"""The house stands: nothing imports upwards, nothing imports in a circle, and a command passes through a known number
of files."""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent

# Where the work of a command is done. A reader who wants to understand it follows the calls from the command to these:
# the files on the way are those that hold a function on the call stack when one of them runs.
WORK = {
    "data/pictures.py:decode",
    "data/formats/picture_folders.py:pictures_below",
    "data/compiled_augmentation.py:apply_draws_in_one_pass",
    "models/attention.py:Attention.forward",
    "clustering/neighbors.py:nearest_neighbors",
    "clustering/jaccard.py:near_pairs",
    "clustering/density.py:density_clusters",
    "evaluation/match_ranks.py:rank_matches",
    "evaluation/intervals.py:bootstrap",
    "evaluation/scores.py:purity",
    "losses/prototype_memory.py:PrototypeMemory.forward",
    "methods/sampling.py:identity_batches",
    "methods/tcmm/token_constraint.py:TokenConstraint.forward",
    "methods/tcmm/instance_memory.py:InstanceMemory.forward",
    "methods/tcmm/instance_memory.py:InstanceMemory.update",
    "recognizer/folder.py:read_folder",
    "recognizer/folder.py:write_folder",
    "training/batch_norm.py:BatchNormStatistics.part",
    "training/optimization.py:Optimizers.set_rates",
    "training/run.py:Run.log",
    "training/run.py:Run.save",
    "report/page.py:write_report",
}

TRACED = """
import json, sys, threading
from pathlib import Path
import reknow
from reknow.cli import main
root, work, arguments = str(Path(reknow.__file__).parent) + "/", set(json.loads(sys.argv[1])), sys.argv[2:]
passed, reached = set(), set()

def call(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(root):
        name = f"{code.co_filename.removeprefix(root)}:{code.co_qualname}"
        if name in work:
            reached.add(name)
            while frame is not None:
                if frame.f_code.co_filename.startswith(root):
                    passed.add(frame.f_code.co_filename.removeprefix(root))
                frame = frame.f_back

sys.setprofile(call), threading.setprofile(call)
code = main(arguments)
sys.setprofile(None)
print("\\n" + json.dumps([code, sorted(passed), sorted(reached)]))
"""


def test_no_room_imports_upwards():
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_no_module_imports_itself_on_a_way_around():
    graph = grimp.build_graph("reknow", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises a CycleError that names the circle


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "most", "reached"),
    [
        (["train", "tcmm", "--data", "folder:DATA", "--epochs", "1", "--out", "run"], 35, 20),
        (["evaluate", "shipped", "--data", r"folder:DATA?identity_pattern=(\d+)_"], 20, 5),
    ],
    ids=["train", "evaluate"],
)
def test_a_reader_who_follows_a_command_opens_few_files(crops, tmp_path, command, most, reached):
    """Training is counted up to the saved recognizer; what follows is the report's."""
    import json

    arguments = [argument.replace("DATA", str(crops)) for argument in command]
    done = subprocess.run(
        [sys.executable, "-c", TRACED, json.dumps(sorted(WORK)), *arguments],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    code, passed, worked = json.loads(done.stdout.splitlines()[-1])
    assert code == 0 and len(worked) >= reached, worked
    before_the_report = [file for file in passed if file.split("/")[0] not in ("report", "explain")]
    assert len(before_the_report) <= most, before_the_report
