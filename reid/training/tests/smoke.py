"""The smallest members of the published systems: seconds to train, and all that a large one has."""

from sightline_training.dataset import read_any
from sightline_training.runner import Run
from sightline_training.system import settings_from

CLIP = {"height": 32, "width": 16, "embed": 64, "channels": 4, "stages": [1, 1, 1, 1], "vision_width": 64, "vision_layers": 2}
TEXT = {"text_width": 64, "text_layers": 1, "vocabulary": 700}
COURSE = {"epochs": 30, "warm_up_epochs": 0.3, "rate": 2e-3, "new_rate": 2e-3, "views": 2, "batch": 16, "decay": "cosine"}
SMALL = {
    "clip": {**CLIP, **TEXT},
    "prompts": {**COURSE, "new_rate": 0.05},
    "main": COURSE,
    "mscsa": {"tgi_width": 32, "tgi_layers": 1},
    "propot": {"mlm_layers": 1},
    "vpm": {"prompts": "tail", "prompt_layers": 1, "prompt_tokens": 3},
    "changes": {"pad": 2, "erase": 0.2},
}
SYSTEMS = ("mscsa", "propot", "vpm")
# At 2e-3 Propot's pictures all become the same, and their order chance.
SLOWER = {"propot": {"main": {**COURSE, "rate": 5e-4, "new_rate": 5e-4}}}


def small(system, **changes):
    return settings_from({"system": system, **SMALL, **SLOWER.get(system, {}), **changes})


def run_of(system, crops, steps=24, weights=None, **changes):
    return Run(small(system, **changes), read_any(crops), weights, steps)
