"""Sentences as people type them: the synthetic world's captions, told in other ways."""

from __future__ import annotations

import re

import numpy as np

SUBJECT = re.compile(r"^(An?) (?:(elderly|old|older|young) )?(\w+)\b")
OPENINGS = ("find {}", "looking for {}", "where is {}", "someone: {}", "the person is {}")


def retold(caption: str, rng: np.random.Generator) -> str:
    """One caption in another tone: no article, `person` for the subject, a request, lower case. What it says stays true."""
    text = caption.rstrip(".")
    chance = rng.random()
    if chance < 0.18:
        text = SUBJECT.sub(lambda m: ("A " if rng.random() < 0.7 else "The ") + "person", text, count=1)
    elif chance < 0.30:
        text = re.sub(r"^An? ", "", text, count=1)
    elif chance < 0.38:
        text = re.sub(r"^An? ", "the ", text, count=1)
    elif chance < 0.46:
        bare = re.sub(r"^.*?\b(?:wearing|who wears|dressed in|in) ", "", text, count=1)
        text = bare if len(bare.split()) > 1 else text
    elif chance < 0.52:
        text = OPENINGS[rng.integers(len(OPENINGS))].format(text[0].lower() + text[1:])
    if rng.random() < 0.3:
        text = text.replace(" and ", ", ", 1)
    return text
