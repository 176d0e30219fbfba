"""The table of clauses, on the committed crops and the shipped pair."""

from pathlib import Path

import numpy as np
import pytest

from sightline_training import denials, examples
from sightline_training.calibration import Tracks
from sightline_training.clauses import bare, fit, pairs
from sightline_training.dataset import clauses_of, hair_words

MODELS = Path(__file__).parents[3] / "models"


def test_what_is_shown_more_clearly_is_likelier(crops):
    similar, holds = pairs(MODELS, crops)
    assert len(similar) == len(holds) > 500 and set(holds) == {0.0, 1.0}
    assert similar[holds == 1].mean() > similar[holds == 0].mean() + 0.02
    table = fit(similar, holds)
    assert table["probability"] == sorted(table["probability"])
    assert table["similarity"] == sorted(set(table["similarity"]))
    expected = np.interp(similar, table["similarity"], table["probability"]).mean()
    assert expected == pytest.approx(holds.mean(), abs=0.03)


def test_a_clause_loses_its_article():
    assert [bare(text) for text in ("a red coat", "an umbrella", "blue jeans")] == ["red coat", "umbrella", "blue jeans"]


def test_a_denial_pushes_from_what_it_denies():
    words, has, lacks = np.eye(3)[:, None]
    pushed = denials.denied(words, has, lacks, 0.5)
    assert (pushed @ has.T).item() < 0 < (pushed @ lacks.T).item() < (pushed @ words.T).item()


def test_denials_are_measured_on_files(crops):
    found = denials.measure(MODELS, crops, [0.0, 5.0])
    assert list(found) == ["sentences", "plain", "denied at 0", "denied at 5", "left in"]
    assert found["plain"] == found["denied at 0"] and found["sentences"]["count"] > 50
    assert found["denied at 5"]["r1"] < found["plain"]["r1"]


def test_a_right_track_makes_the_rest_easier_to_find():
    # Words that say less of a person than a picture does.
    dice = np.random.default_rng(7)
    people = dice.normal(size=(40, 16))
    who = np.repeat(np.arange(40), 4)
    seen = np.repeat(people[who][:, None], 2, axis=1) + dice.normal(scale=0.5, size=(160, 2, 16))
    words = people + dice.normal(scale=1.5, size=people.shape)
    names = np.array([f"{number:02}" for number in range(40)])
    tracks = Tracks(seen / np.linalg.norm(seen, axis=2, keepdims=True), who)
    found = examples.marked(words / np.linalg.norm(words, axis=1, keepdims=True), list(names), tracks, names[who])
    assert found["one right"]["map"] > found["sentence"]["map"] + 0.1
    assert found["one right, 3 wrong"]["map"] > found["sentence"]["map"] + 0.1
    assert found["one right, 3 wrong"]["map"] != found["one right"]["map"]
    assert len({row["people"] for row in found.values()}) == 1


def test_examples_are_measured_on_files(crops):
    found = examples.measure(MODELS, crops)
    assert list(found) == ["sentence", "one right", "one right, 3 wrong"]
    assert all(row["people"] > 10 and 0 < row["r1"] <= 1 and 0 < row["map"] <= 1 for row in found.values())


def test_hair_that_a_caption_speaks_of_is_a_clause_and_other_hair_is_unclear():
    entry = {"captions": ["A man with short dark brown hair."], "group": "man", "hair": {"style": "short", "colour": "dark"}}
    true, unclear = clauses_of(entry)
    assert true == {("group", "man"), ("group", "male"), *(("hair", f"{words} hair") for words in ("short", "dark brown", "short dark brown"))}
    assert not unclear
    assert clauses_of({**entry, "captions": ["A man."]})[1] == {"hair"}
    assert hair_words("ponytail", "red") == ["a ponytail", "red hair", "red hair"] and hair_words("bald", "red") == ["a bald head"]
