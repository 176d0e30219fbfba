"""The rows of each paper's ablation table, as settings over the paper's own."""

from __future__ import annotations

NO_PARTS = {"dpp": False, "ipp": False}

ROWS: dict[str, dict[str, dict]] = {
    "mscsa": {
        "clip-reid": {"mscsa": {"after": [], "tgi": False}},
        "tgi": {"mscsa": {"after": []}},
        "mscsa": {"mscsa": {"tgi": False}},
        "both": {},
        "channel": {"mscsa": {"spatial": False}},
        "spatial": {"mscsa": {"channel": False}},
        "after-1": {"mscsa": {"after": [1]}},
        "after-1-2": {"mscsa": {"after": [1, 2]}},
        "mean": {"mscsa": {"norm": "mean"}},
        "in-stage-1": {"mscsa": {"train_in_prompts": True}},
    },
    "propot": {
        "baseline": {"propot": {"p2i": 0.0, "mlm": 0.0}},
        "initial": {"propot": {"mlm": 0.0, **NO_PARTS}},
        "dpp": {"propot": {"mlm": 0.0, "ipp": False}},
        "ipp": {"propot": {"mlm": 0.0, "dpp": False}},
        "both": {"propot": {"mlm": 0.0}},
        "no-apa": {"propot": {"mlm": 0.0, "apa": False}},
        "mlm": {"propot": {"p2i": 0.0}},
        "all": {},
    },
    "vpm": {
        "baseline": {"vpm": {"prompts": "none", "kan": False, "minp": 0.0}},
        "vpt": {"vpm": {"kan": False, "minp": 0.0}},
        "minp": {"vpm": {"prompts": "none", "kan": False}},
        "kan": {"vpm": {"prompts": "none", "minp": 0.0}},
        "vpt-minp": {"vpm": {"kan": False}},
        "vpt-kan": {"vpm": {"minp": 0.0}},
        "all": {},
        "tail": {"vpm": {"prompts": "tail"}},
        "portion": {"vpm": {"prompts": "portion"}},
    },
}
