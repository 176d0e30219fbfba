"""The table of clauses, on the committed crops and the shipped pair."""

from pathlib import Path

import numpy as np
import pytest

from sightline_training.clauses import bare, fit, pairs

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
