"""Training, as a user meets it: options, messages, the run's folder."""

from __future__ import annotations

import json

from reknow.methods.cluster_contrast import recipes as cluster_recipes


def test_a_field_is_replaced_and_written_into_the_run(reknow, crops, tiny_recipe, tmp_path):
    code, _, err = reknow(
        "train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run",
        "--epochs", "1", "--optimizer.lr", "1e-4", "--method.clustering.eps", "auto",
    )  # fmt: skip
    assert code == 0, err
    text = (tmp_path / "run" / "recipe.yaml").read_text()
    assert "epochs: 1\n" in text
    assert "lr: 0.0001" in text
    assert "eps: auto" in text


def test_a_misspelt_field_is_refused_with_the_nearest(reknow, crops, tiny_recipe, tmp_path):
    code, _, err = reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--optimizer.lrr", "1")
    assert code == 2
    assert "--optimizer.lr" in err
    assert not (tmp_path / "runs").exists()


def test_every_recipe_is_listed_with_its_status(reknow):
    code, out, _ = reknow("recipes", "--json")
    assert code == 0
    listed = {row["recipe"]: row for row in json.loads(out)["recipes"]}
    assert listed["cluster_contrast/market1501"]["status"] == "not yet reproduced"
    assert listed["cluster_contrast"]["about"] == cluster_recipes.own_data.__doc__
