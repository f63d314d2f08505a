"""Parity with the golden case vi_evaluation: the protocols of SYSU-MM01, RegDB and LLCM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import Manifest
from reknow.evaluation.protocols import protocol_named
from reknow.evaluation.ranking import evaluate
from trial_ranking import reference_evaluation

DATA = Path(__file__).parent / "data"
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return load_file(DATA / "vi_evaluation.safetensors")


def side(golden, name, spectrum, camera=True):
    """One side of the case, with cosines as its similarities."""
    vectors, identities = golden[f"in/{name}_feat"].astype(np.float64), golden[f"in/{name}_pid"]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    columns = {
        spectrum: [f"{name}/{row}.png" for row in range(len(vectors))],
        "identity": [f"{identity:04d}" for identity in identities],
    }
    if camera:
        columns["camera"] = [str(code) for code in golden[f"in/{name}_cam"]]
    return Embeddings(vectors, Manifest.from_columns(columns, root=Path(), name=name))


def is_as_golden(scores, golden, case, prefix=""):
    np.testing.assert_allclose(scores.cmc, golden[f"out/{case}/{prefix}cmc"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores.mAP, golden[f"out/{case}/{prefix}mAP"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores.mINP, golden[f"out/{case}/{prefix}mINP"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("scored", [evaluate, reference_evaluation])
@pytest.mark.parametrize("mode", ["all", "indoor"])
def test_sysu(golden, mode, scored):
    query, pool = side(golden, "sysu/query", "nir"), side(golden, "sysu/pool", "rgb")
    draws = [golden[f"in/sysu/{mode}/{trial}/gallery_idx"] for trial in range(3)]
    scores = scored(query, pool, protocol_named(f"sysu_{mode}"), draws=draws)
    is_as_golden(scores, golden, f"sysu/{mode}", "mean_")
    for trial, draw in enumerate(draws):
        is_as_golden(scores.trials[trial], golden, f"sysu/{mode}/{trial}")
        is_as_golden(scored(query, pool, protocol_named(f"sysu_{mode}"), draws=[draw]), golden, f"sysu/{mode}/{trial}")


@pytest.mark.parametrize("mode", ["all", "indoor"])
def test_the_protocol_draws_one_picture_of_each_identity_and_camera_as_golden_does(golden, mode):
    pool, draw = side(golden, "sysu/pool", "rgb"), protocol_named(f"sysu_{mode}").draw
    rows = protocol_named(f"sysu_{mode}").gallery.rows(pool.manifest, "gallery")
    drawn = rows[draw.rows(pool.manifest.select(rows))[0]]
    shots = list(zip(golden["in/sysu/pool_pid"].tolist(), golden["in/sysu/pool_cam"].tolist(), strict=True))
    published = golden[f"in/sysu/{mode}/0/gallery_idx"]
    assert [shots[row] for row in sorted(drawn)] == [shots[row] for row in sorted(published)]


@pytest.mark.parametrize("scored", [evaluate, reference_evaluation])
@pytest.mark.parametrize(("name", "case"), [("regdb_v2t", "V2T"), ("regdb_t2v", "T2V")])
def test_regdb(golden, name, case, scored):
    sides = [side(golden, "regdb/vis", "rgb", camera=False), side(golden, "regdb/thermal", "tir", camera=False)]
    query, gallery = sides if case == "V2T" else sides[::-1]
    is_as_golden(scored(query, gallery, protocol_named(name)), golden, f"regdb/{case}")


@pytest.mark.parametrize("scored", [evaluate, reference_evaluation])
@pytest.mark.parametrize(
    ("name", "drawn", "case"),
    [
        ("llcm_v2n", "vis2nir", "vis2nir"),
        ("llcm_n2v", "nir2vis", "nir2vis"),
        ("llcm_n2v_as_coded", "nir2vis", "nir2vis"),
        ("llcm_v2n_as_coded", "vis2nir", "as_coded_2_1"),
    ],
)
def test_llcm(golden, name, drawn, case, scored):
    sides = [side(golden, "llcm/vis", "rgb"), side(golden, "llcm/nir", "nir")]
    query, gallery = sides if name.startswith("llcm_v2n") else sides[::-1]
    draws = [golden[f"in/llcm/{drawn}/gallery_idx"]]
    is_as_golden(scored(query, gallery, protocol_named(name), draws=draws), golden, f"llcm/{case}")
