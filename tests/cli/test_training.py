"""Training, as a user meets it: options, messages, the run's folder."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reknow.cli import training
from reknow.methods.catalog import recipe_named
from reknow.methods.cluster_contrast import recipes as cluster_recipes
from reknow.models.attention import SoftmaxAttention
from reknow.models.channel_selection import ChannelSelection
from reknow.models.found_network import network_as_text


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


def test_recipes_of_other_packages_are_listed_with_whose_they_are_and_what_is_wrong(reknow, install):
    recipe = (
        "from dataclasses import replace\nfrom reknow.methods.catalog import recipe_named\n__all__ = ['own_data']\n"
        "def own_data():\n    'Theirs.'\n    return replace(recipe_named('tcmm'), name='theirs')\n"
    )
    install("reknow-theirs", {"outside_theirs": recipe}, methods={"theirs": "outside_theirs"})
    install("reknow-bad", {"outside_bad": "import nothing_at_all"}, methods={"bad": "outside_bad"})
    code, out, _ = reknow("recipes")
    assert code == 0
    assert "Theirs. [runs on made data; no published number to reproduce] (package reknow-theirs)\n" in out
    assert "note: method 'bad' of the package reknow-bad: 'outside_bad' cannot be imported" in out
    facts = json.loads(reknow("recipes", "--json")[1])
    assert {row["recipe"]: row["package"] for row in facts["recipes"]}["theirs"] == "reknow-theirs"
    assert {row["recipe"]: row["package"] for row in facts["recipes"]}["tcmm"] == "reknow"
    assert len(facts["notes"]) == 1
    code, out, _ = reknow("train")
    assert code == 0 and "\n  theirs\n" in out
    code, _, err = reknow("train", "bad", "--data", "folder:x")
    assert code == 2 and "the package reknow-bad" in err


def test_resuming_takes_an_equals_sign_and_the_data_s_new_place(reknow, crops, tiny_recipe, tmp_path):
    assert reknow("train", "cluster_contrast", "--data", f"folder:{crops}", "--out", "run", "--epochs", "1")[0] == 0
    crops.rename(tmp_path / "moved")
    code, _, err = reknow("train", "--resume=run")
    assert code == 2 and "no such folder" in err and "--resume run --data FORMAT:PATH" in err
    code, out, err = reknow("train", "cluster_contrast", "--resume=run", "--data=folder:moved", "--json")
    assert code == 0, err
    assert json.loads(out)["dataset"] == "folder:moved"
    assert "note: the same rows as in" in err and "now names folder:moved" in err
    assert reknow("train", "--resume", "run")[0] == 0


@pytest.mark.parametrize(
    "option", [["--epochs", "5"], ["--seed=2"], ["--out", "elsewhere"], ["--init-from", "shipped"]]
)
def test_a_resumed_run_takes_no_other_option(reknow, option):
    code, out, err = reknow("train", "--resume", "run", *option)
    assert code == 2 and out == ""
    assert f"option {option[0].partition('=')[0]}" in err and "--init-from" in err


def test_another_attention_is_one_option_and_its_settings_are_options_too(reknow, crops, monkeypatch, tmp_path):
    recipes = []
    monkeypatch.setattr(training, "_carry_out", lambda recipe, folder, **options: recipes.append(recipe) or 0)
    given = ("--data", f"folder:{crops}", "--out", str(tmp_path / "run"))
    asked = ("--network.trunk.attention", "channel_selection", "--network.trunk.attention.temperature", "5.0")
    for name in ("tcmm", "editor"):
        code, _, err = reknow("train", name, *given, *asked)
        assert code == 0, err
        network = recipe_named(name).network
        selective = replace(network.trunk, attention=ChannelSelection(temperature=5.0))
        assert recipes[-1].network == replace(network, trunk=selective)
    code, _, err = reknow("train", "rib", *given, "--network.trunk.attention=softmax")
    assert code == 0, err
    assert recipes[-1].network.trunk.attention == SoftmaxAttention()
    code, _, err = reknow("train", "tcmm", *given, "--network.trunk.attention", "chanel_selection")
    assert code == 2 and "Did you mean 'channel_selection'" in err
    code, _, err = reknow("train", "tcmm", *given, "--network.trunk.attention")
    assert code == 2 and "no name" in err
    code, _, err = reknow("train", "supervised/market1501", *given, "--network.trunk.attention", "softmax")
    assert code == 2 and "a trunk of the kind ResNet" in err


def test_a_found_network_is_taken_from_its_run_or_file_and_its_fields_are_options(reknow, crops, monkeypatch, tmp_path):
    recipes = []
    monkeypatch.setattr(training, "_carry_out", lambda recipe, folder, **options: recipes.append(recipe) or 0)
    given = ("--data", f"folder:{crops}", "--out", str(tmp_path / "run"))
    network = recipe_named("rib/dcs_dnb_search_world").network.trunk.with_channels((12, 24, 40, 72))
    (tmp_path / "searched").mkdir()
    (tmp_path / "searched" / "network.yaml").write_text(network_as_text(network, (128, 64)))
    for name in ("searched", "searched/network.yaml"):
        code, _, err = reknow("train", "rib/dcs_dnb_retrain", *given, "--network.trunk", name)
        assert code == 0, err
        assert recipes[-1].network.trunk == network
    code, _, err = reknow(
        "train", "supervised/fbnetv2_market1501", *given, "--network.trunk=searched",
        "--network.trunk.channels", "16", "8", "16", "96",
    )  # fmt: skip
    assert code == 0, err
    assert recipes[-1].network.trunk == replace(network, channels=(16, 8, 16, 96))
    code, _, err = reknow("train", "rib/dcs_dnb_retrain", *given, "--network.trunk", "nowhere")
    assert code == 2 and "nowhere: cannot be read" in err
    code, _, err = reknow("train", "rib/dcs_dnb_retrain", *given, "--network.trunk")
    assert code == 2 and "--network.trunk: no name; expected the file of a found network" in err
    code, _, err = reknow("train", "rib", *given, "--network.trunk", "searched")
    assert code == 2 and "--network.trunk: a network of the kind Jigsaw; expected an embedder" in err


def test_an_abbreviated_option_is_unknown(reknow, tiny_recipe):
    assert reknow("train", "--res", "run")[0] == 2
    code, _, err = reknow("train", "cluster_contrast", "--data", "folder:x", "--res", "run")
    assert code == 2 and "Unrecognized options: --res" in err


@pytest.mark.parametrize(
    ("field", "value"),
    [("--seed", "-1"), ("--seed", "123456789012345678901"), ("--iterations", "-2"), ("--epochs", "0"),
     ("--checkpoint-every", "-1"), ("--optimizer.lr", "nan"), ("--sampling.instances", "3"),
     ("--method.clustering.k1", "0"), ("--preprocessing.size", "0")],
)  # fmt: skip
def test_a_number_that_makes_no_sense_is_refused_by_its_option(reknow, tiny_recipe, tmp_path, field, value):
    values = [value, "16"] if field == "--preprocessing.size" else [value]
    code, out, err = reknow("train", "cluster_contrast", "--data", "folder:nowhere", field, *values)
    assert code == 2 and out == "" and "Traceback" not in err
    assert field.removeprefix("--").replace("-", "_").replace("sampling.instances", "sampling.batch_size") in err
    assert not list(tmp_path.iterdir())
