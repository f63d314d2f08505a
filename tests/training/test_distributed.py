"""Two processes under torchrun (gloo): they finish, they agree, and one folder comes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from reknow.values import to_plain

SCRIPT = """
import sys, yaml
from pathlib import Path
from reknow.training.progress import Display
from reknow.training.train import train
from reknow.values import from_plain
import torch

recipe = from_plain(yaml.safe_load(Path(sys.argv[1]).read_text()), sys.argv[1])
outcome = train(recipe, Path(sys.argv[2]), display=Display(quiet=True))
rank = torch.distributed.get_rank()
Path(sys.argv[2] + f"-{rank}.txt").write_text(str(outcome.training.vectors.sum(0).tolist()))
"""


@pytest.mark.filterwarnings("default")
def test_two_processes_share_a_run(crops, tiny, tmp_path):
    recipe = replace(tiny, data=f"folder:{crops}?identity_pattern=(person\\d+)", epochs=2)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(to_plain(recipe)))
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*command, "script.py", "recipe.yaml", "run"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        capture_output=True,
        timeout=400,
    )
    # Both processes hold the same embeddings of all rows, so weights, statistics and pseudo-labels agree.
    assert (tmp_path / "run-0.txt").read_text() == (tmp_path / "run-1.txt").read_text()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if line["kind"] == "epoch"] == [0, 1]
    assert (tmp_path / "run" / "recognizer" / "model.safetensors").is_file()
