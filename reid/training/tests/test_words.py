import numpy as np

from sightline_training.words import retold


def test_a_sentence_retold_keeps_what_it_says():
    caption = "A woman wearing a red long coat and grey trousers, with a navy backpack."
    for seed in range(300):
        text = retold(caption, np.random.default_rng(seed))
        assert "red long coat" in text and "navy backpack" in text and "grey trousers" in text, text
    assert len({retold(caption, np.random.default_rng(seed)) for seed in range(300)}) > 8
