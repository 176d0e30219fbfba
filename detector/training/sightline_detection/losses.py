"""What a detection is worth: where people are, how well their boxes fit, and that nobody stands where nobody is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

# Logits as `Network.heads` gives them.
Heads = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
# Cells where something else than a person is are rare; each counts for this many more.
OTHERS = 10.0


@dataclass(frozen=True)
class Losses:
    """Weights of the parts."""

    box: float = 2.0
    score: float = 1.0
    # Exponent of the quality focal loss (Li et al., NeurIPS 2020).
    focus: float = 2.0
    # How strongly a training is held to what the network that it started from says: whether a thing is a person, where nobody
    # is and where people are; all classes, where nobody is; objectness, where that network sees something else than a person.
    person: float = 0.0
    person_of_people: float = 0.0
    classes: float = 0.0
    others: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether what the first network says is needed."""
        return max(self.person, self.person_of_people, self.classes, self.others) > 0


@dataclass(frozen=True)
class Targets:
    """Cells of a batch that are to find somebody, their boxes (centre and sides, shares of the picture), and cells to leave alone."""

    picture: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    boxes: torch.Tensor
    is_open: torch.Tensor


def targets(boxes: list[torch.Tensor], is_clear: list[torch.Tensor], rows: int, columns: int) -> Targets:
    """The four cells whose corners surround a centre are to find its person; of two people the smaller takes a cell.

    Cells of people who are hardly seen are left alone, as are those between.
    """
    is_open = torch.ones(len(boxes), rows, columns, dtype=torch.bool)
    chosen: dict[tuple[int, int, int], tuple[float, torch.Tensor]] = {}
    for picture, (own, clear) in enumerate(zip(boxes, is_clear)):
        for box, is_needed in zip(own, clear):
            column, row = int(box[0] * columns - 0.5), int(box[1] * rows - 0.5)
            area = float(box[2] * box[3])
            for r in (row, row + 1):
                for c in (column, column + 1):
                    if not (0 <= r < rows and 0 <= c < columns):
                        continue
                    key = (picture, r, c)
                    if not is_needed:
                        is_open[key] = False
                    elif key not in chosen or area < chosen[key][0]:
                        chosen[key] = (area, box)
    keys = torch.tensor(list(chosen), dtype=torch.long).reshape(-1, 3)
    found = torch.stack([box for _, box in chosen.values()]) if chosen else torch.zeros(0, 4)
    is_open[keys[:, 0], keys[:, 1], keys[:, 2]] = True
    return Targets(keys[:, 0], keys[:, 1], keys[:, 2], found, is_open)


def decoded(box: torch.Tensor, at: Targets) -> torch.Tensor:
    """The network's boxes at the target cells, as shares of the picture."""
    rows, columns = box.shape[2:]
    own = box[at.picture, :, at.row, at.column]
    return torch.stack(
        [
            (at.column + own[:, 0].tanh()) / columns,
            (at.row + own[:, 1].tanh()) / rows,
            own[:, 2].sigmoid(),
            own[:, 3].sigmoid(),
        ],
        1,
    )


def overlap(one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU and GIoU (Rezatofighi et al., CVPR 2019) of boxes one by one, centre and sides."""

    def corners(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2

    (low, high), (other_low, other_high) = corners(one), corners(other)
    shared = (torch.minimum(high, other_high) - torch.maximum(low, other_low)).clamp(min=0).prod(1)
    union = one[:, 2:].prod(1) + other[:, 2:].prod(1) - shared
    hull = (torch.maximum(high, other_high) - torch.minimum(low, other_low)).prod(1)
    iou = shared / union.clamp(min=1e-9)
    return iou, iou - (hull - union) / hull.clamp(min=1e-9)


def log_score(objectness: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Logarithm of what the program takes for a score: something is there, and it is a person.

    The loss is on this product. The class alone, asked for where people are and nowhere else, learns within a hundred steps that
    everything is a person; and a published network's doubt about a car may lie in its class.
    """
    product = functional.logsigmoid(objectness[:, 0]) + functional.log_softmax(classes, 1)[:, 0]
    # Never quite sure, so that being wrong costs a finite sum.
    return product.clamp(max=-1e-6)


def two_apart(before: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """How far (Kullback-Leibler) the logarithm of a probability is from an earlier one, of yes and no."""
    before, own = before.clamp(max=-1e-6), own.clamp(max=-1e-6)
    no = -torch.expm1(before)
    return before.exp() * (before - own) + no * (no.log() - torch.log(-torch.expm1(own)))


def held(heads: Heads, first: Heads, at: Targets) -> dict[str, torch.Tensor]:
    """How far classes and objectness went from those of the first network, a cell.

    A world of people and little else teaches nothing of what is no person; the first network has seen the rest. A cell counts
    more, the surer that network is that something else is there.
    """
    own, before = functional.log_softmax(heads[2], 1), functional.log_softmax(first[2], 1)
    apart = (before.exp() * (before - own)).sum(1)
    apart_two = two_apart(before[:, 0], own[:, 0])
    is_other = first[0][:, 0].sigmoid() * (1 - before[:, 0].exp())
    is_person = torch.zeros_like(apart)
    is_person[at.picture, at.row, at.column] = 1
    nobody = 1 - is_person
    wrong = functional.binary_cross_entropy_with_logits(heads[0][:, 0], first[0][:, 0].sigmoid(), reduction="none")
    least = functional.binary_cross_entropy_with_logits(first[0][:, 0], first[0][:, 0].sigmoid(), reduction="none")
    cells = apart[0].numel() * len(apart)
    return {
        "person": (apart_two * nobody * (1 + OTHERS * is_other)).sum() / cells,
        "person_of_people": (apart_two * is_person).sum() / is_person.sum().clamp(min=1),
        "classes": (apart * nobody * (1 + OTHERS * is_other)).sum() / cells,
        "others": ((wrong - least) * nobody * is_other).sum() / cells * OTHERS,
    }


def loss(
    heads: Heads,
    at: Targets,
    weights: Losses,
    first: Heads | None = None,
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The weighted sum and its parts; `first` are the heads of the network that a training started from."""
    objectness, box, classes = (head.float() for head in heads)
    score = log_score(objectness, classes)
    target = torch.zeros_like(score)
    parts: dict[str, torch.Tensor] = {}
    people = max(len(at.boxes), 1)
    if len(at.boxes):
        iou, giou = overlap(decoded(box, at), at.boxes)
        parts["box"] = (1 - giou).mean()
        # A cell that fits well should be sure, one that fits badly should leave the person to its neighbours.
        target[at.picture, at.row, at.column] = iou.detach().clamp(0, 1)
    distance = (target - score.exp()).abs().detach() ** weights.focus
    each = -(target * score + (1 - target) * torch.log(-torch.expm1(score))) * distance
    parts["score"] = (each * at.is_open).sum() / people * 4
    if first is not None:
        parts |= held((objectness, box, classes), tuple(head.float() for head in first), at)
    total = sum(getattr(weights, name) * value for name, value in parts.items())
    return total, parts
