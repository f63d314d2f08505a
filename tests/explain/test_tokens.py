"""What TCMM chooses on a data set, what is known of it, and how it is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reknow.data.cache import Pictures
from reknow.data.formats import open_dataset
from reknow.data.loading import evaluation_batches
from reknow.data.manifest import Manifest
from reknow.explain import sample
from reknow.explain.constraint import PatchChoice, choice_of
from reknow.explain.panels import PALENESS
from reknow.explain.patches import covered
from reknow.explain.sample import Looking
from reknow.explain.tokens import PANEL, explain_tokens, shares
from reknow.explain.truth import person_mask
from reknow.methods.tcmm.token_constraint import TokenConstraint
from reknow.recognizer import Card, Recognizer

WORLD = "world:target?train_identities=2&test_identities=2"
CONSTRAINT = TokenConstraint(alpha=0.25)
GREEN, RED = (0x13, 0x80, 0x3F), (0xC4, 0x2B, 0x2B)
PERSON = np.array([[0.0, 0.5, 0.49, 1.0], [0.0, 0.0, 0.0, 0.9]])  # on the person: patches 1 and 3, patch 3


@pytest.fixture
def recognizer(tiny) -> Recognizer:
    return Recognizer(tiny.network, tiny.network.build(), tiny.preprocessing, Card(name="tiny"), "cpu")


def test_on_the_world_the_choice_is_measured(recognizer):
    manifest = open_dataset(WORLD)
    found = explain_tokens(CONSTRAINT, Looking({"before": recognizer, "after": recognizer}, manifest, shown=2))
    reference = dict(zip(manifest.column("observation"), manifest.column("rgb"), strict=True))
    mask = person_mask(reference[found.names[3]])
    assert found.person is not None and mask is not None
    assert found.person[3].tolist() == covered(mask, (4, 2)).tolist()
    # One network twice: nothing can have changed, and the picture beside each choice is its own.
    assert [share.change and share.change.mean for share in found.shares] == [0.0, 0.0]
    stored = Pictures.from_arrays({"rgb": found.pictures[3:4]})
    (batch,) = evaluation_batches(stored, np.arange(1), np.array([-1]), recognizer.preprocessing, "cpu")
    again = choice_of(CONSTRAINT, recognizer.network.tokens(batch))
    assert again.positive.tolist() == found.choices["after"].positive[3:4].tolist()


def test_own_pictures_have_a_sheet_and_no_shares(recognizer, crops, monkeypatch):
    monkeypatch.setattr(sample, "EVALUATED_AT_ONCE", 4)
    manifest = open_dataset(f"folder:{crops}")
    found = explain_tokens(CONSTRAINT, Looking({"after": recognizer}, manifest, shown=6))
    assert len(found.names) == 6 and set(found.names) <= set(manifest.column("observation"))
    assert found.person is None and found.shares == () and found.facts()["shares"] == {}
    assert found.numbers() == {} and "outline" not in found.about


def test_a_crop_of_the_world_is_not_measured_by_the_whole_mask(recognizer, tmp_path):
    rows = {"rgb": open_dataset(WORLD).column("rgb")[:3], "crop": ["0 0 32 64"] * 3}
    manifest = Manifest.from_columns(rows, root=tmp_path, name="cropped")
    assert explain_tokens(CONSTRAINT, Looking({"after": recognizer}, manifest, shown=1)).person is None


def test_numbers_are_percent(recognizer):
    looking = Looking({"before": recognizer, "after": recognizer}, open_dataset(WORLD), shown=1)
    found = explain_tokens(CONSTRAINT, looking)
    facts, numbers = found.facts(), found.numbers()
    share = facts["shares"]["negatives_on_background"]
    assert facts["patches"] == 8 and facts["negatives"] == 2 and facts["grid"] == [4, 2]
    assert 1 < share["chance"]["after"] <= 100
    assert share["after"]["low"] <= share["after"]["mean"] <= share["after"]["high"] <= 100
    assert numbers["negatives_on_background"] == numbers["start_negatives_on_background"] == share["after"]["mean"]
    assert numbers["negatives_on_background_by_chance"] == share["chance"]["after"]


# --- Shares -----------------------------------------------------------------------------------------------------------


def choice(positive: list[list[int]], negative: list[list[int]]) -> PatchChoice:
    picked = [np.zeros(PERSON.shape, dtype=bool) for _ in range(2)]
    for mask, rows in zip(picked, (positive, negative), strict=True):
        for row, patches in enumerate(rows):
            mask[row, patches] = True
    return PatchChoice(np.zeros(PERSON.shape, np.float32), *picked, (2, 2))


def test_shares_and_chance_by_hand():
    found = {share.name: share for share in shares({"after": choice([[3], [0]], [[1, 2], [0, 1]])}, PERSON)}
    negatives, positives = found["negatives_on_background"], found["positives_on_person"]
    assert negatives.chance["after"] == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert negatives.found["after"].mean == pytest.approx((1 / 2 + 1) / 2)
    assert negatives.over_chance["after"].mean == pytest.approx(0.75 - 0.625)
    assert positives.chance["after"] == pytest.approx(1 - negatives.chance["after"])
    assert positives.found["after"].mean == pytest.approx((1 + 0) / 2)
    assert negatives.change is None


def test_the_change_is_that_of_the_same_pictures():
    before, after = choice([[0], [0]], [[1], [3]]), choice([[1], [3]], [[0], [0]])
    found = shares({"before": before, "after": after}, PERSON)
    assert [share.change and share.change.mean for share in found] == [1.0, 1.0]
    assert all(share.change and share.change.excludes_zero for share in found)


def test_patches_chosen_blindly_reach_chance():
    rng = np.random.default_rng(0)
    person = rng.random((400, 32))
    negative = np.argsort(rng.random((400, 32)), axis=1) < 4
    blind = PatchChoice(np.zeros((400, 32), np.float32), ~negative, negative, (8, 4))
    for share in shares({"after": blind}, person):
        assert share.over_chance["after"].low < 0 < share.over_chance["after"].high


# --- Panels -----------------------------------------------------------------------------------------------------------


def where(panel: np.ndarray, color: tuple[int, int, int]) -> set[int]:
    """Which of the 2 x 2 patches of a panel hold pixels of a color."""
    rows, columns = np.nonzero((panel == color).all(axis=2))
    return set((rows // (PANEL // 2) * 2 + columns // (PANEL // 4)).tolist())


def test_the_positive_is_green_the_negative_red_each_in_its_patch(explanation):
    drawn = explanation(known=False).panels(0)[""]
    assert list(drawn) == ["picture", "before training", "after training"]
    assert drawn["after training"].shape == (PANEL, PANEL // 2, 3)
    assert where(drawn["after training"], GREEN) == {0} and where(drawn["after training"], RED) == {3}
    assert where(drawn["before training"], GREEN) == {3} and where(drawn["before training"], RED) == {0}
    assert where(drawn["picture"], GREEN) == where(drawn["picture"], RED) == set()


def test_a_patch_is_the_paler_the_less_similar_it_is(explanation):
    panel = explanation(known=False).panels(0)[""]["after training"]
    high, middle, low = panel[30, 30, 0], panel[40, 120, 0], panel[PANEL - 30, PANEL // 2 - 30, 0]
    assert high == 100
    assert middle == round(100 + 0.5 * PALENESS * 155)
    assert low == round(100 + PALENESS * 155)


def test_patches_on_the_person_are_outlined_where_they_are_known(explanation):
    known, unknown = (explanation(known=known).panels(0)[""]["picture"] for known in (True, False))
    assert (unknown == 100).all()
    # Patches 0 and 1 are on the person: a line along the middle.
    assert (known[PANEL // 2, 20:-20] < 60).all()
    assert np.argwhere((known != unknown).any(axis=2))[:, 0].max() < PANEL // 2 + 4


def test_pictures_of_any_shape_are_drawn(explanation):
    made = explanation(known=False, before=False)
    wide = replace(made, pictures=np.zeros((2, 10, 90, 3), dtype=np.uint8))
    assert list(wide.panels(0)[""]) == ["picture", "after training"]
    assert wide.panels(0)[""]["after training"].shape[1] == PANEL
