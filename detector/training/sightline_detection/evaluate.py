"""How well a detector finds people on the world's frames, where the truth is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from sightline_detection.augment import resized
from sightline_detection.boxes import Curve, Truth, curve, decoded
from sightline_detection.frames import Frame
from sightline_detection.network import Network

# Who must be found: people at least this much seen, and this tall on the picture as a share of it.
NEEDED_VISIBILITY = 0.4
NEEDED_HEIGHT = 1 / 15


def truth(frame: Frame, height: int) -> Truth:
    """What is seen of people; those who are small or mostly hidden may be found and need not."""
    tall = frame.seen[:, 3] - frame.seen[:, 1]
    return Truth(frame.seen, (frame.visibility >= NEEDED_VISIBILITY) & (tall >= NEEDED_HEIGHT * height))


@torch.no_grad()
def detect(net: Network, picture: np.ndarray, width: int, height: int, least: float = 0.05) -> np.ndarray:
    """Boxes with scores on one BGR picture."""
    small = resized(picture, width, height)
    tensor = torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].float() / 255
    planes = net(tensor.contiguous(memory_format=torch.channels_last))[0].numpy()
    return decoded(planes, picture.shape[1], picture.shape[0], least)


def measured(net: Network, frames: list[Frame], width: int, height: int) -> Curve:
    """Precision and recall over frames."""
    found, truths = [], []
    for frame in frames:
        picture = cv2.imread(str(frame.picture), cv2.IMREAD_COLOR)
        if picture is None:
            raise OSError(f"{frame.picture}: not a picture")
        found.append(detect(net, picture, width, height))
        truths.append(truth(frame, picture.shape[0]))
    return curve(found, truths)


def summary(net: Network, folder: Path, width: int, height: int, every: int = 1) -> dict[str, float]:
    """The figures of a curve that fit on a line."""
    from sightline_detection.frames import read

    result = measured(net.eval(), read(folder)[::every], width, height)
    return {
        "ap": round(result.average_precision(), 4),
        "recall_at_precision_95": round(result.recall_at(0.95), 4),
        "recall_at_precision_90": round(result.recall_at(0.9), 4),
        **{f"{k}_at_half": v for k, v in result.at(0.5).items()},
    }
