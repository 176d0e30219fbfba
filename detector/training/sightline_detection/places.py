"""Random scene files for the synthetic world: many places, cameras and lights, so that a detector learns people and not a square."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

# Seeds from here on are for tests and never trained on.
FIRST_TEST_SEED = 9000

GROUNDS = {
    "asphalt": (60, 125),
    "paving": (110, 190),
    "grass": (70, 120),
    "tiles": (120, 220),
    "concrete": (110, 180),
    "wood": (90, 150),
}
WALLS = ("windows", "brick", "concrete", "paint", "wood", "foliage")
WEATHERS = ("sunny", "cloudy", "cloudy", "warm", "indoor", "night")
FURNITURE = ("pole", "tree", "bin", "bench", "car", "hedge", "sign", "bollard", "pillar", "box")
SIZES = ((640, 360), (640, 480), (512, 384), (480, 270), (768, 576), (352, 288))


def colour(rng: np.random.Generator, low: float, high: float, spread: float = 25) -> list[int]:
    """A colour whose brightness lies between two values."""
    middle = rng.uniform(low, high)
    return [int(value) for value in np.clip(middle + rng.uniform(-spread, spread, 3), 10, 245)]


def toml_of(table: dict) -> str:
    """Plain values first, then tables, then arrays of tables; numbers, words and lists are written as JSON writes them."""
    import json

    plain = {k: v for k, v in table.items() if not isinstance(v, dict) and not is_tables(v)}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in plain.items())
    for key, value in table.items():
        for row in [value] if isinstance(value, dict) else value if is_tables(value) else []:
            head = f"[{key}]" if isinstance(value, dict) else f"[[{key}]]"
            text += f"\n{head}\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in row.items())
    return text


def is_tables(value: object) -> bool:
    """Whether a value is an array of tables."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def camera(rng: np.random.Generator, number: int, size_m: tuple[float, float], is_night: bool) -> dict:
    """A camera at the border or inside, looking at some point of the place."""
    width_m, depth_m = size_m
    side = rng.integers(4)
    along = rng.uniform(0.1, 0.9)
    at = [
        (along * width_m, 0.4),
        (along * width_m, depth_m - 0.4),
        (0.4, along * depth_m),
        (width_m - 0.4, along * depth_m),
    ][side]
    target = (rng.uniform(0.25, 0.75) * width_m, rng.uniform(0.25, 0.75) * depth_m)
    away = math.hypot(target[0] - at[0], target[1] - at[1])
    height = float(rng.choice([rng.uniform(1.6, 2.8), rng.uniform(2.8, 4.5), rng.uniform(4.5, 9)], p=[0.3, 0.5, 0.2]))
    # Aim between the target's feet and head; one in five looks steeply at what passes below.
    aim = min(away, rng.uniform(3, 5)) if rng.random() < 0.2 else away * rng.uniform(0.6, 1.1)
    pitch = math.degrees(math.atan2(height - rng.uniform(0.3, 1.4), max(aim, 1.5)))
    width, height_px = SIZES[rng.integers(len(SIZES))]
    return {
        "id": f"c{number}",
        "at": [round(v, 2) for v in at],
        "height_m": round(height, 2),
        "yaw_deg": round(math.degrees(math.atan2(target[1] - at[1], target[0] - at[0])), 1),
        "pitch_deg": round(float(np.clip(pitch, -5, 70)), 1),
        "view_deg": round(float(rng.uniform(40, 95)), 1),
        "width": width,
        "height": height_px,
        "distortion": [round(float(rng.uniform(-0.15, 0.02)), 3), 0.0],
        "white_balance": [round(float(v), 3) for v in rng.uniform(0.85, 1.18, 3)],
        "exposure": round(float(rng.uniform(0.75, 1.35) * (1.3 if is_night else 1.0)), 2),
        "saturation": round(float(rng.choice([rng.uniform(0.5, 1.2), 0.0], p=[0.93, 0.07])), 2),
        "sharpen": round(float(rng.choice([0, rng.uniform(0, 1.2)])), 2),
        "blur_px": round(float(rng.uniform(0.3, 1.2)), 2),
        "noise": round(float(rng.uniform(0.003, 0.03)), 3),
        "motion_blur_px": round(float(rng.choice([0, rng.uniform(0, 3)], p=[0.8, 0.2])), 1),
        "rain": round(float(rng.choice([0, rng.uniform(0, 0.03)], p=[0.9, 0.1])), 3),
        "shrink": round(float(rng.choice([1, rng.uniform(1, 2)], p=[0.75, 0.25])), 2),
        "bitrate_kbps": int(rng.choice([60, 120, 250, 500])),
    }


def place(seed: int, cameras: int = 6, seconds: int = 24) -> dict:
    """A scene of the world at one frame a second; another seed is another place, crowd and set of cameras."""
    if seed >= FIRST_TEST_SEED:
        raise ValueError(f"seed {seed} is for tests, expected below {FIRST_TEST_SEED}")
    rng = np.random.default_rng([seed, 0xDE7])
    is_narrow = rng.random() < 0.3
    width = float(rng.uniform(14, 44))
    depth = float(rng.uniform(5, 9) if is_narrow else rng.uniform(11, 30))
    weather = str(rng.choice(WEATHERS))
    grounds = list(GROUNDS)
    ground = "tiles" if weather == "indoor" and rng.random() < 0.6 else str(rng.choice(grounds))
    walls = []
    for side in range(4):
        if rng.random() < 0.1:
            continue
        away = rng.uniform(0.6, 2) if is_narrow or rng.random() < 0.5 else rng.uniform(3, 15)
        finish = str(rng.choice(WALLS))
        ends = [
            ([-12, -away], [width + 12, -away]),
            ([-12, depth + away], [width + 12, depth + away]),
            ([-away, -12], [-away, depth + 12]),
            ([width + away, -12], [width + away, depth + 12]),
        ][side]
        walls.append(
            {
                "from": [round(float(v), 2) for v in ends[0]],
                "to": [round(float(v), 2) for v in ends[1]],
                "height_m": round(float(rng.uniform(3, 11)), 1),
                "thickness_m": 0.5,
                "finish": finish,
                "rgb": colour(rng, 60, 210),
            }
        )
    areas = [
        {
            "at": [round(float(rng.uniform(0, width)), 2), round(float(rng.uniform(0, depth)), 2)],
            "size_m": [round(float(rng.uniform(1, width)), 2), round(float(rng.uniform(0.3, 6)), 2)],
            "turn_deg": float(rng.choice([0, 0, rng.integers(-60, 60)])),
            "finish": (finish := str(rng.choice(grounds))),
            "rgb": colour(rng, *GROUNDS[finish], spread=20),
        }
        for _ in range(rng.integers(0, 4))
    ]
    kinds = [str(kind) for kind in rng.choice(FURNITURE, rng.integers(2, 14))]
    if is_narrow:
        kinds = [kind for kind in kinds if kind not in ("car", "tree", "hedge")]
    # Furniture keeps off the gates at the borders, so that every way stays open.
    furniture = [
        {
            "kind": kind,
            "at": [round(float(rng.uniform(0.15, 0.85) * width), 2), round(float(rng.uniform(0.15, 0.85) * depth), 2)],
            "turn_deg": float(rng.integers(-180, 180)),
        }
        for kind in kinds
    ]
    gates = [
        {"name": "west", "at": [0.6, round(float(rng.uniform(0.3, 0.7) * depth), 2)]},
        {"name": "east", "at": [round(width - 0.6, 2), round(float(rng.uniform(0.3, 0.7) * depth), 2)]},
        {"name": "south", "at": [round(float(rng.uniform(0.3, 0.7) * width), 2), 0.6]},
        {"name": "north", "at": [round(float(rng.uniform(0.3, 0.7) * width), 2), round(depth - 0.6, 2)]},
    ]
    benches = kinds.count("bench")
    most = max(4, min(45, int(width * depth / 9)))
    return {
        "name": f"place-{seed}",
        "duration_s": seconds,
        "fps": 1,
        "start": "2026-03-02T09:00:00Z",
        "weather": weather,
        "sun_azimuth_deg": int(rng.integers(0, 360)),
        "difficulty": round(float(rng.uniform(0, 1)), 2),
        "plan": {"size_m": [round(width, 2), round(depth, 2)], "ground": ground, "rgb": colour(rng, *GROUNDS[ground])},
        "walls": walls,
        "areas": areas,
        "furniture": furniture,
        "gates": gates,
        "people": {
            "count": int(rng.integers(3, most + 1)),
            "grouped": round(float(rng.uniform(0, 0.6)), 2),
            "pausing": round(float(rng.uniform(0.1, 0.7)), 2),
            "returning": 0.8,
            "running": round(float(rng.uniform(0, 0.15)), 2),
            "sitting": min(benches, int(rng.integers(0, 3))),
            "children": round(float(rng.uniform(0, 0.2)), 2),
        },
        "cameras": [camera(rng, number, (width, depth), weather == "night") for number in range(cameras)],
    }


def write(seed: int, file: Path, cameras: int = 6, seconds: int = 24) -> None:
    """Writes the scene file of a seed."""
    file.write_text(toml_of(place(seed, cameras, seconds)))
