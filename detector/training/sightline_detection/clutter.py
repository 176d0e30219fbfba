"""Things that are nobody, drawn over frames.

The world's places have people and little else; a network that has only seen those takes a car for one.
"""

from __future__ import annotations

import cv2
import numpy as np

# Heights of things, shares of the picture's.
TALL = (0.05, 0.5)
# A place is looked for this often; somebody may lose this share of a box to a thing.
TRIES = 4
HIDDEN = 0.05


def ramp(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Two colours, one going over into the other, with some grain or stripes."""
    height, width = shape
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    along = x / max(width, 1) * np.float32(np.cos(angle)) + y / max(height, 1) * np.float32(np.sin(angle))
    share = (along - along.min()) / max(float(np.ptp(along)), 1e-6)
    if rng.random() < 0.25:
        share = 0.5 + 0.5 * np.sin(share * np.float32(rng.uniform(10, 60)))
    one = rng.uniform(0, 255, 3)
    other = rng.uniform(0, 255, 3) if rng.random() < 0.4 else one * rng.uniform(0.4, 1.4)
    made = one + share[..., None] * (other - one) + rng.normal(0, rng.uniform(0, 14), (height, width, 1))
    return made.clip(0, 255).astype(np.uint8)


def stuff(picture: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """What a thing's face looks like: drawn, or a piece of the picture turned, recoloured and made larger."""
    if rng.random() < 0.6:
        return ramp(shape, rng)
    height, width = picture.shape[:2]
    side = int(rng.integers(6, max(7, height // 6)))
    x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
    piece = np.rot90(picture[y : y + side, x : x + side], int(rng.integers(4)))[..., rng.permutation(3)]
    return cv2.resize(np.ascontiguousarray(piece), shape[::-1], interpolation=cv2.INTER_LINEAR)


def blob(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A polygon around the middle, sometimes round."""
    height, width = shape
    corners = int(rng.integers(3, 11))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) + rng.uniform(0, 2 * np.pi)
    far = rng.uniform(0.5, 1.0, corners)
    points = np.stack([(0.5 + 0.5 * far * np.cos(angles)) * width, (0.5 + 0.5 * far * np.sin(angles)) * height], 1)
    mask = np.zeros(shape, np.uint8)
    if rng.random() < 0.2:
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 255, -1)
    else:
        cv2.fillPoly(mask, [points.astype(np.int32)], 255)
    return mask


def legs(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Bars from one point, as a tripod's or a lamp's, with a head or not."""
    height, width = shape
    top = (int(width * rng.uniform(0.35, 0.65)), int(height * rng.uniform(0.0, 0.3)))
    thick = max(1, int(width * rng.uniform(0.03, 0.14)))
    mask = np.zeros(shape, np.uint8)
    for foot in rng.uniform(0, width, int(rng.integers(1, 5))):
        cv2.line(mask, top, (int(foot), height - 1), 255, thick)
    if rng.random() < 0.6:
        half = max(2, int(width * rng.uniform(0.08, 0.25)))
        cv2.rectangle(mask, (top[0] - half, 0), (top[0] + half, max(top[1], half)), 255, -1)
    return mask


def vehicle(shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A box on wheels with windows, from the side or from above; face and mask."""
    height, width = shape
    face = np.empty((height, width, 3), np.uint8)
    face[:] = ramp(shape, rng)
    mask = np.zeros(shape, np.uint8)
    glass = tuple(int(v) for v in rng.uniform(10, 110, 3))
    dark = tuple(int(v) for v in rng.uniform(5, 60, 3))
    if rng.random() < 0.5:
        low, roof = int(height * rng.uniform(0.35, 0.55)), int(height * 0.05)
        left, right = int(width * rng.uniform(0.1, 0.3)), int(width * rng.uniform(0.65, 0.95))
        slope = int(width * rng.uniform(0.05, 0.15))
        cabin = np.array([[left, low], [left + slope, roof], [right - slope, roof], [right, low]], np.int32)
        wheel = max(2, int(height * rng.uniform(0.12, 0.2)))
        cv2.rectangle(mask, (0, low), (width - 1, height - wheel), 255, -1)
        cv2.fillPoly(mask, [cabin], 255)
        middle = (cabin.mean(0) + 0.75 * (cabin - cabin.mean(0))).astype(np.int32)
        cv2.fillPoly(face, [middle], glass)
        for x in (0.2, 0.8):
            cv2.circle(mask, (int(width * x), height - wheel), wheel, 255, -1)
            cv2.circle(face, (int(width * x), height - wheel), wheel, dark, -1)
    else:
        edge = max(1, min(shape) // 8)
        cv2.rectangle(mask, (edge, 0), (width - 1 - edge, height - 1), 255, -1)
        cv2.rectangle(mask, (0, edge), (width - 1, height - 1 - edge), 255, -1)
        for y0, y1 in ((0.2, 0.32), (0.7, 0.85)):
            cv2.rectangle(face, (2 * edge, int(height * y0)), (width - 1 - 2 * edge, int(height * y1)), glass, -1)
        if rng.random() < 0.5:
            cv2.rectangle(face, (edge, int(height * 0.9)), (width - 1 - edge, height - 1), dark, -1)
    return face, mask


def thing(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A face and which of its pixels count, 0..255."""
    tall = max(8, int(picture.shape[0] * np.exp(rng.uniform(*np.log(TALL)))))
    kind = rng.random()
    wide = max(8, int(tall * np.exp(rng.uniform(np.log(0.25), np.log(2.5 if kind < 0.6 else 1.2)))))
    if kind < 0.35:
        face, mask = vehicle((tall, wide), rng)
    else:
        mask = (legs if kind > 0.8 else blob)((tall, wide), rng)
        face = stuff(picture, (tall, wide), rng)
        if kind < 0.6 and rng.random() < 0.5:
            # A fold, a lid, a pocket.
            inner = cv2.resize(blob((tall, wide), rng), (wide // 2, tall // 2))
            area = face[tall // 4 : tall // 4 + tall // 2, wide // 4 : wide // 4 + wide // 2]
            area[inner > 0] = (area[inner > 0] * rng.uniform(0.3, 0.8)).astype(np.uint8)
    if rng.random() < 0.4:
        turn = cv2.getRotationMatrix2D((wide / 2, tall / 2), float(rng.uniform(-40, 40)), 0.8)
        face, mask = (cv2.warpAffine(one, turn, (wide, tall)) for one in (face, mask))
    return face, cv2.GaussianBlur(mask, (3, 3), 0)


def strewn(picture: np.ndarray, boxes: np.ndarray, things: int, rng: np.random.Generator) -> np.ndarray:
    """The picture with some things where nobody is; boxes are corners in pixels."""
    picture = picture.copy()
    height, width = picture.shape[:2]
    sides = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1)
    for _ in range(things):
        face, mask = thing(picture, rng)
        tall, wide = mask.shape
        for _ in range(TRIES):
            x, y = int(rng.integers(-wide // 3, width - wide // 2)), int(rng.integers(-tall // 3, height - tall // 2))
            low, high = np.maximum(boxes[:, :2], (x, y)), np.minimum(boxes[:, 2:], (x + wide, y + tall))
            if not len(boxes) or ((high - low).clip(0).prod(1) / sides).max() <= HIDDEN:
                break
        else:
            continue
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + wide, width), min(y + tall, height)
        if x1 <= x0 or y1 <= y0:
            continue
        inside = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
        share = mask[inside][..., None].astype(np.float32) / 255
        under = picture[y0:y1, x0:x1]
        under[:] = (under + (face[inside] - under.astype(np.float32)) * share).astype(np.uint8)
    return picture
