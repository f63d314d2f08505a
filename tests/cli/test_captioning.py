"""``reknow caption``, as far as no network is needed."""

from __future__ import annotations

import json

from reknow.data.captions import Captions, captions_in
from reknow.data.formats import open_dataset

WORLD = "world:target?train_identities=2&test_identities=2&cameras=2&spectra=rgb,nir"


def test_the_world_s_captions_become_a_file(reknow, tmp_path):
    code, out, err = reknow("caption", f"{WORLD}&captions=0.1", "--captioner", "world", "--out", "w.json", "--json")
    assert code == 0, err
    facts = json.loads(out)
    captions = Captions.read(tmp_path / "w.json")
    assert facts["made"] == len(captions.of_picture) > 10
    assert (captions.captioner, captions.settings) == ("world", {"data": f"{WORLD}&captions=0.1"})
    manifest = open_dataset(f"{WORLD}&captions=w.json")
    assert captions_in(manifest) == captions.of_picture
    code, _, err = reknow("caption", f"{WORLD}&captions=0.1", "--captioner", "world", "--out", "w.json")
    assert code == 2 and "already exists" in err
    code, out, _ = reknow("caption", f"{WORLD}&captions=0.1", "--captioner", "world")
    assert code == 0 and f"{facts['made']} pictures described: captions.json" in out and "such as: " in out


def test_what_does_not_go_together_is_refused_before_any_work(reknow, crops, tmp_path):
    (tmp_path / "mine.json").write_text("mine")
    for arguments, message in (
        ((), "--captioner blip: no weights; expected a folder with BLIP"),
        (("--captioner", "template"), "--captioner template: no weights; expected a file of CLIP"),
        (("--captioner", "world", "--weights", "w"), "--captioner world: with --weights or --paraphraser"),
        (("--captioner", "world"), "no captions of the synthetic world"),
        (("--weights", "w", "--out", "a.txt"), "suffix '.txt'"),
        (("--weights", "w", "--out", "no/a.json"), "no such folder"),
    ):
        code, _, err = reknow("caption", f"folder:{crops}", *arguments)
        assert code == 2 and message in err, err
    code, _, err = reknow("caption", WORLD, "--captioner", "world")
    assert code == 2 and "such as world:target?captions=0.1" in err
    assert {path.name for path in tmp_path.iterdir()} == {"mine.json", "crops"}
