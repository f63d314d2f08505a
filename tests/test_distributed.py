"""What processes tell each other: two of them over gloo, and one alone, for which everything is the identity."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reknow import distributed
from reknow.losses.triplet import BatchHardTriplet


def test_alone_nothing_changes() -> None:
    rows = torch.arange(6.0).view(3, 2).requires_grad_()
    assert (distributed.processes(), distributed.rank()) == (1, 0)
    assert torch.equal(distributed.gathered(rows), rows) and not distributed.gathered(rows).requires_grad
    assert torch.equal(distributed.summed(rows), rows)
    assert distributed.part_rows(rows) == (rows, 0) or distributed.part_rows(rows)[0] is rows
    assert distributed.in_part(3) == 3 and distributed.from_first(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        distributed.from_first(lambda: 1 // 0)


FEATURES = torch.tensor([[0.0, 1], [0.5, 0], [2, 2], [2, 1], [0, 3], [4, 0], [1, 1]])
LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 1])
SHARES = {"uneven": (0, 5, 7), "one has none": (0, 7, 7)}


def _process(folder: str, rank: int) -> None:
    group = torch.distributed
    group.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    said: dict[str, object] = {}
    mine = torch.arange(rank, rank + 2 * rank + 1)  # one row, then three
    said["gathered"] = distributed.gathered(mine).tolist()
    said["nothing"] = distributed.gathered(mine[:0]).tolist()
    said["summed"] = distributed.summed(torch.tensor([1.0, rank])).tolist()
    said["first"] = distributed.from_first(lambda: {"rank": rank})
    try:
        distributed.from_first(lambda: 1 // rank)
    except ZeroDivisionError:
        said["error"] = "division by zero"
    with distributed.sharing_part(group.group.WORLD):
        said["in_part"] = distributed.in_part(rank + 1)
        for name, cuts in SHARES.items():
            part = slice(cuts[rank], cuts[rank + 1])
            features = FEATURES[part].clone().requires_grad_()
            # As the loop weighs it: a process's mean counts by its rows.
            loss = BatchHardTriplet(0.3)(features, LABELS[part]) * len(features) / len(FEATURES)
            loss.backward()
            said[name] = (distributed.summed(loss).item(), features.grad)
    torch.save(said, f"{folder}/said{rank}.pt")
    group.destroy_process_group()


def test_two_processes(tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(tmp_path)]
    started = [subprocess.Popen([*command, str(rank)], env={**os.environ, "OMP_NUM_THREADS": "1"}) for rank in (0, 1)]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    first, second = (torch.load(tmp_path / f"said{rank}.pt") for rank in (0, 1))
    whole = FEATURES.clone().requires_grad_()
    alone = BatchHardTriplet(0.3)(whole, LABELS)
    alone.backward()
    for said in (first, second):
        assert said["gathered"] == [0, 1, 2, 3] and said["nothing"] == []
        assert said["summed"] == [2.0, 1.0]
        assert said["first"] == {"rank": 0}  # what the first says, on both
        assert said["error"] == "division by zero"  # and where it fails, both stop
        assert said["in_part"] == 3
    for name in SHARES:
        # The hardest pictures are looked for among those of both, so it is the loss of one process with all rows.
        assert first[name][0] == pytest.approx(alone.item(), rel=1e-6)
        torch.testing.assert_close(torch.cat([first[name][1], second[name][1]]), whole.grad)


if __name__ == "__main__":
    _process(sys.argv[1], int(sys.argv[2]))
