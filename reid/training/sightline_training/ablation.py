"""The rows of each paper's ablation table, as settings over the paper's own, and the table as it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sightline_training.settings import SettingsError, read_table

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
        "after-1-2-3-4": {"mscsa": {"after": [1, 2, 3, 4]}},
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

# What the papers give of their rows, in percent: the measure, the set, the row that gains are reckoned from, the gains.
PAPERS: dict[str, tuple[str, str, str, dict[str, float]]] = {
    "mscsa": ("image_map", "MSMT17", "clip-reid", {"clip-reid": 0.0, "tgi": -0.4, "mscsa": 2.3, "both": 3.1}),
    "propot": ("text_r1", "CUHK-PEDES", "baseline", {"baseline": 0.0, "initial": 0.35, "dpp": 1.38, "ipp": 1.30, "both": 1.64, "all": 2.16}),
    "vpm": ("text_r1", "CUHK-PEDES", "all", {"minp": -0.62, "kan": -0.84, "vpt-minp": -0.54, "vpt-kan": -1.54, "all": 0.0}),
}


def table(system: str, found: dict[str, dict[str, float]], told: str) -> str:
    """The rows that were measured, as Markdown: percents, what each gains, and what the paper says it gains."""
    measure, dataset, base, paper = PAPERS[system]
    kind = measure.partition("_")[0] + "_"
    names = list(dict.fromkeys(name for row in found.values() for name in row if name.startswith(kind)))
    head = ["row", "settings", *names, f"{measure} over {base}", f"the paper's, {dataset}"]
    lines = [f"# {system}: {told}", "", " | ".join(["", *head, ""]).strip(), "|".join(["", *["---"] * len(head), ""])]
    for row, measures in found.items():
        gain = "" if measure not in measures or measure not in found.get(base, {}) else f"{100 * (measures[measure] - found[base][measure]):+.2f}"
        theirs = f"{paper[row]:+.2f}" if row in paper else ""
        figures = [f"{100 * measures[name]:.2f}" if name in measures else "" for name in names]
        changes = f"`{json.dumps(ROWS[system][row])}`" if ROWS[system][row] else "the paper's"
        lines.append(" | ".join(["", row, changes, *figures, gain, theirs, ""]).strip())
    return "\n".join(lines) + "\n"


def written(file: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    part = file.with_name(file.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def write_tables(out: Path, system: str, found: dict[str, dict[str, float]], told: str) -> str:
    """`ablation.json` and `ablation.md`; the latter's text."""
    written(out / "ablation.json", json.dumps(found, indent=2) + "\n")
    text = table(system, found, told)
    written(out / "ablation.md", text)
    return text


def row_done(out: Path, made: dict[str, object]) -> dict[str, float] | None:
    """The measures of a row that is done; one that was made otherwise is refused, since rows of a table differ in the row alone."""
    file = out / "measures.json"
    if not file.is_file():
        return None
    state = read_table(file)
    if not {"made", "measures"} <= state.keys():
        raise SettingsError(f"{file}: not the measures of a row")
    differ = sorted(key for key in made if state["made"].get(key) != made[key])
    if differ:
        raise SettingsError(f"{file}: a row of other {', '.join(differ)}; give another --out")
    return state["measures"]
