"""Rankings of an result: which queries, what they may see, and what is told of them."""

from __future__ import annotations

import numpy as np
import pytest

from reknow.data.embeddings import Embeddings
from reknow.data.formats import open_dataset
from reknow.recognizer.evaluation import EvaluationResult, EvaluationSplit
from reknow.report.rankings import rankings


@pytest.fixture
def result() -> EvaluationResult:
    """Three people of the world in two spectra, embedded by chance."""
    manifest = open_dataset("world:target?train_identities=0&test_identities=3&cameras=3&spectra=rgb,nir").select(
        np.arange(24)
    )
    split = EvaluationSplit.of(manifest)
    assert split is not None
    rows = split.manifest
    vectors = np.random.default_rng(0).normal(size=(len(rows), 8)).astype(np.float32)
    return split.score(Embeddings(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), rows))


def test_a_row_is_a_query_with_what_the_protocol_lets_it_find(result: EvaluationResult) -> None:
    rows = rankings(result, count=1)
    assert [row.kind for row in rows] == ["best", "typical", "worst"]
    scores = [row.average_precision for row in rows]
    assert scores == sorted(scores, reverse=True) and scores[0] == np.nanmax(result.scores.average_precision)
    gallery = result.gallery.manifest
    identity = dict(zip(gallery.column("observation"), gallery.column("identity"), strict=True))
    query = result.query.manifest
    for row in rows:
        place = query.column("observation").index(row.name)
        assert [result.similarity for result in row.results] == sorted(
            (result.similarity for result in row.results), reverse=True
        )
        for result in row.results:
            assert result.match == (identity[result.name] == query.column("identity")[place])
            assert not (result.match and result.camera == row.camera)  # the market protocol


def test_pictures_show_every_spectrum(result: EvaluationResult) -> None:
    row = rankings(result, count=1)[0]
    assert {row.picture.shape} | {result.picture.shape for result in row.results} == {(128, 2 * 64 + 2, 3)}


def test_what_is_told_has_no_pictures_and_is_in_percent(result: EvaluationResult) -> None:
    row = rankings(result, count=1)[0]
    told = row.as_json()
    assert told["query"] == row.name and told["average_precision"] == 100 * row.average_precision
    assert [found["observation"] for found in told["found"]] == [result.name for result in row.results]
    assert all(set(found) == {"observation", "match", "similarity", "camera"} for found in told["found"])
