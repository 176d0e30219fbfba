"""The appearance encoder: the published person model, taught the synthetic world's people without forgetting real ones.

Batches are people x views, look-alikes together; a memory of recent vectors stands in for the large batches that a small
machine cannot hold (Wang et al., CVPR 2020). Statistics of the published batch norms stay as they are, and what is exported is a running
mean of the weights. MSCSA blocks may be added, and TGI, which lets the sentences about each person look at the picture.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sightline_training.augment import Augment, plain, read_rgb, training_batch
from sightline_training.checkpoint import read_checkpoint, same_settings, take
from sightline_training.dataset import DatasetError, Picture
from sightline_training.device import check_device, prepare_device
from sightline_training.kept_maps import KeptMaps
from sightline_training.person_net import HEIGHT, WIDTH, PersonNet, load_published
from sightline_training.retrieval import image_scores
from sightline_training.scenes import scenes_for
from sightline_training.settings import merged
from sightline_training.told import Told, told_of

KIND = "the appearance encoder"
# The network's parts, in order.
PARTS = ("in_first", "conv1", "conv2", "conv3", "conv4", "conv5", "global_avgpool", "fc")
# Codes of the network's input.
CODES = 255.0


@dataclass(frozen=True)
class AppearanceLosses:
    """Weights of the parts; zero turns one off."""

    # Pictures of one person against all others in the batch and the memory.
    views: float = 1.0
    temperature: float = 0.07
    # The farthest view of a person nearer than the nearest of another one (Hermans et al., 2017), in cosine.
    triplet: float = 0.5
    margin: float = 0.25
    # The mean cosine between different people, squared: other losses ask for an order alone, and similarities would lose their scale.
    level: float = 0.0
    # Which of the training's people is it, over a scaled cosine.
    identity: float = 0.0
    # Which of the people's sentences tells of this picture; those of the batch are refined by TGI, if it is on.
    text: float = 0.0
    smoothing: float = 0.1

    RANGES: ClassVar = {"temperature": (1e-3, math.inf), "smoothing": (0, 1)}


@dataclass(frozen=True)
class AppearanceSettings:
    """Everything a run depends on but its pictures; stored in each checkpoint."""

    # Pixels of the training's pictures; the network's own are HEIGHT x WIDTH.
    height: int = 192
    width: int = 96
    identities: int = 16
    views: int = 4
    # Vectors of earlier batches that are compared with as well.
    remembered: int = 2048
    rate: float = 2e-4
    # How strongly weights are drawn back to the published ones, a share of the difference at each step of rate 1.
    draw_back: float = 1.0
    warm_up: int = 30
    steps: int = 2000
    mean_keeps: float = 0.99
    # Modules that stay as published.
    frozen: tuple[str, ...] = ("in_first", "conv1")
    # Whether the maps after the frozen stages are made once for each picture, and kept: a small machine then sees ten times the
    # pictures, each of them always changed in one of so many ways.
    keeps_maps: bool = False
    variants: int = 1
    # Stages that are followed by an MSCSA block, of 1, 2, 3; their rate, and that of TGI, is so many times the rate of the rest.
    mscsa: tuple[int, ...] = ()
    tgi: bool = True
    # Whether a learned map that the start has behind it stays and trains along; else it goes, and one may be learned anew afterwards.
    keeps_metric: bool = False
    new_rate: float = 3.0
    seed: int = 0
    bf16: bool = True
    losses: AppearanceLosses = field(default_factory=AppearanceLosses)
    augment: Augment = field(default_factory=Augment)
    # `cpu` or `cuda`.
    device: str = "cpu"

    RANGES: ClassVar = {
        **dict.fromkeys(("height", "width"), (32, math.inf)),
        "identities": (2, math.inf),
        **dict.fromkeys(("views", "warm_up", "steps", "variants"), (1, math.inf)),
        "mean_keeps": (0, 1),
        # Of stages.
        "mscsa": (1, 3),
    }

    def __post_init__(self) -> None:
        check_device(self.device)
        strange = sorted(set(self.frozen) - set(PARTS))
        if strange:
            raise ValueError(f"frozen has `{strange[0]}`, expected some of {', '.join(PARTS)}")
        if self.keeps_maps and not self.is_front_frozen:
            raise DatasetError("keeps_maps keeps what comes after in_first and conv1, so both must be in `frozen`")

    @property
    def is_front_frozen(self) -> bool:
        """Whether all that is before the stages stays as published."""
        return {"in_first", "conv1"} <= set(self.frozen)

    @property
    def frozen_stages(self) -> int:
        """How many stages from the first on stay as published, with all that is before them and no block that trains."""
        count = 0
        while self.is_front_frozen and f"conv{count + 2}" in self.frozen and count + 1 not in self.mscsa:
            count += 1
        return count

    @staticmethod
    def of(raw: dict, source: object = "settings") -> AppearanceSettings:
        """From a checkpoint or a JSON file, `source`; keys that are missing keep their defaults."""
        return merged(AppearanceSettings(), raw, source)


class People:
    """Batches of `identities` x `views`; each depends on the seed and the step alone."""

    def __init__(self, pictures: list[Picture], settings: AppearanceSettings) -> None:
        self.by_identity: dict[str, list[Picture]] = defaultdict(list)
        for picture in pictures:
            self.by_identity[picture.identity].append(picture)
        self.names = sorted(name for name, own in self.by_identity.items() if len(own) > 1)
        self.number = {name: number for number, name in enumerate(self.names)}
        self.settings = settings
        if len(self.names) < settings.identities:
            raise DatasetError(f"{len(self.names)} people with two pictures or more, a batch needs {settings.identities}")
        alike: dict[str, set[str]] = defaultdict(set)
        for name in self.names:
            other = self.by_identity[name][0].looks_like
            if other in self.number:
                alike[other].add(name)
        self.groups = {name: [other, *sorted(own)] for other, own in alike.items() for name in (other, *own)}

    def batch(self, step: int) -> tuple[list[Picture], np.random.Generator]:
        """Pictures grouped by identity; with somebody come those who wear the same."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, step])
        chosen: list[str] = []
        for place in rng.permutation(len(self.names)):
            for name in self.groups.get(self.names[place], [self.names[place]])[:4]:
                if name not in chosen and len(chosen) < settings.identities:
                    chosen.append(name)
            if len(chosen) == settings.identities:
                break
        pictures = []
        for name in chosen:
            own = self.by_identity[name]
            places = rng.choice(len(own), settings.views, replace=len(own) < settings.views)
            pictures += [own[place] for place in places]
        return pictures, rng


def views_loss(
    vectors: torch.Tensor, who: torch.Tensor, known: torch.Tensor, known_who: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Supervised contrast (Khosla et al., NeurIPS 2020, equation 2) against the batch and the memory."""
    others, others_who = torch.cat([vectors, known]), torch.cat([who, known_who])
    own = torch.zeros(len(vectors), len(others), dtype=torch.bool, device=vectors.device)
    own.fill_diagonal_(True)
    logits = (vectors @ others.T / temperature).masked_fill(own, -1e4)
    same = ((who[:, None] == others_who[None, :]) & ~own).float()
    log_p = functional.log_softmax(logits, 1)
    return -((log_p * same).sum(1) / same.sum(1).clamp(min=1)).mean()


def triplet_loss(vectors: torch.Tensor, who: torch.Tensor, margin: float) -> torch.Tensor:
    """Batch-hard, on cosines."""
    cosine = vectors @ vectors.T
    same = who[:, None] == who[None, :]
    farthest = cosine.masked_fill(~same, 2).amin(1)
    nearest = cosine.masked_fill(same, -2).amax(1)
    return functional.relu(nearest - farthest + margin).mean()


def level_loss(vectors: torch.Tensor, who: torch.Tensor) -> torch.Tensor:
    """Zero when different people are as often alike as opposed."""
    cosine = vectors @ vectors.T
    return cosine[who[:, None] != who[None, :]].mean().square()


class AppearanceRun:
    """One training: network, its running mean, memory, optimiser, step."""

    def __init__(self, settings: AppearanceSettings, pictures: list[Picture], published: Path | None) -> None:
        # This training has no photographs: settings that ask for some are refused.
        scenes_for(settings.augment, None)
        prepare_device(settings.device)
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.people = People(pictures, settings)
        self.net = PersonNet(after=settings.mscsa, has_metric=settings.keeps_metric)
        if published is not None:
            known = load_published(published).state_dict()
            if settings.keeps_metric and "metric.weight" not in known:
                raise DatasetError(f"{published}: no learned map, and keeps_metric wants one")
            if not settings.keeps_metric:
                known.pop("metric.weight", None)
            take(self.net, self.net.state_dict() | known, published)
        self.net = self.net.to(settings.device, memory_format=torch.channels_last)
        for name in settings.frozen:
            getattr(self.net, name).requires_grad_(False)
        self.told = Told(settings.tgi).to(settings.device)
        self.texts = told_of(self.people.by_identity, self.people.names).to(settings.device) if settings.losses.text else None
        self.start = {name: value.detach().clone() for name, value in self.net.named_parameters()}
        self.mean = {name: value.clone() for name, value in self.start.items()}
        self.classifier = nn.Linear(self.net.fc[0].out_features, len(self.people.names), bias=False).to(settings.device)
        new = list(self.net.mscsa.parameters()) + list(self.told.parameters())
        is_new = {id(p) for p in new}
        trained = [p for p in self.net.parameters() if p.requires_grad and id(p) not in is_new]
        if settings.losses.identity:
            trained += list(self.classifier.parameters())
        self.optimiser = torch.optim.AdamW([{"params": trained}, {"params": new}], lr=settings.rate, weight_decay=0.0)
        self.known = torch.zeros(0, self.net.fc[0].out_features, device=settings.device)
        self.known_who = torch.zeros(0, dtype=torch.long, device=settings.device)
        self.kept: KeptMaps | None = None
        self.step, self.elapsed_s = 0, 0.0

    def keep_maps(self, file: Path) -> None:
        """Makes the maps of all pictures that batches are made of, unless the file has them.

        Trainings that differ after the frozen stages alone may share it.
        """
        settings, weights = self.settings, hashlib.sha256()
        paths = sorted(picture.path for name in self.people.names for picture in self.people.by_identity[name])
        for name, value in self.net.state_dict().items():
            if name.startswith(settings.frozen):
                weights.update(value.cpu().numpy().tobytes())
        size = (settings.height, settings.width, settings.frozen_stages, settings.bf16)
        depends_on = [weights.hexdigest(), size, asdict(settings.augment)]
        self.kept = KeptMaps(file, paths, settings.variants, depends_on, self.fresh_maps, settings.seed)

    def frozen_maps(self, pictures: list[Picture], rng: np.random.Generator) -> torch.Tensor:
        """Maps after the frozen stages, made or kept."""
        paths = [picture.path for picture in pictures]
        return self.fresh_maps(paths, rng) if self.kept is None else self.kept.of(paths, rng).to(self.settings.device)

    def fresh_maps(self, paths: list[Path], rng: np.random.Generator) -> torch.Tensor:
        """Pictures changed at random, through the frozen stages."""
        settings = self.settings
        tensor = training_batch(paths, (settings.height, settings.width), rng, settings.augment) * CODES
        tensor = tensor.to(settings.device).contiguous(memory_format=torch.channels_last)
        is_frozen = settings.is_front_frozen
        with torch.set_grad_enabled(not is_frozen), self.autocast():
            return self.net.before(tensor, settings.frozen_stages)

    def autocast(self) -> torch.autocast:
        """Mixed precision, where it is asked for."""
        return torch.autocast(self.settings.device, torch.bfloat16, enabled=self.settings.bf16)

    @property
    def pictures(self) -> int:
        """Pictures in a step."""
        return self.settings.identities * self.settings.views

    def loss(self, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """The weighted sum over one batch, and its parts."""
        settings, weights = self.settings, self.settings.losses
        pictures, rng = self.people.batch(step)
        who = torch.tensor([self.people.number[picture.identity] for picture in pictures], device=settings.device)
        maps = self.frozen_maps(pictures, rng)
        with self.autocast():
            positions = self.net.after(maps, settings.frozen_stages)
            vectors = self.net.pooled(positions).float()
        parts: dict[str, torch.Tensor] = {}
        if weights.views:
            parts["views"] = views_loss(vectors, who, self.known, self.known_who, weights.temperature)
        if weights.triplet:
            parts["triplet"] = triplet_loss(vectors, who, weights.margin)
        if weights.level:
            parts["level"] = level_loss(vectors, who)
        if weights.identity:
            logits = 16 * vectors @ functional.normalize(self.classifier.weight, dim=1).T
            parts["identity"] = functional.cross_entropy(logits, who, label_smoothing=0.1)
        if self.texts is not None:
            with self.autocast():
                text = self.told(vectors, positions, who, self.texts, weights.smoothing, weights.temperature)
            parts["text"] = text.float()
        self.known = torch.cat([vectors.detach(), self.known])[: settings.remembered]
        self.known_who = torch.cat([who, self.known_who])[: settings.remembered]
        if not parts:
            raise ValueError("settings: every loss is off")
        total = sum(getattr(weights, name) * value for name, value in parts.items())
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def advance(self, progress: float) -> dict[str, float]:
        """One step; `progress` 0..1 sets the learning rate (linear warm-up, then cosine)."""
        settings = self.settings
        rate = settings.rate * min(1.0, (self.step + 1) / settings.warm_up)
        rate *= 0.5 + 0.5 * math.cos(math.pi * min(progress, 1))
        for group, times in zip(self.optimiser.param_groups, (1.0, settings.new_rate)):
            group["lr"] = rate * times
        # The published batch norms keep their statistics.
        self.net.eval()
        self.net.mscsa.train()
        total, parts = self.loss(self.step)
        if not torch.isfinite(total):
            raise FloatingPointError(f"step {self.step}: the loss is {float(total)}")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], 5.0)
        self.optimiser.step()
        keeps = min(settings.mean_keeps, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, now in self.net.named_parameters():
                now.lerp_(self.start[name], rate * settings.draw_back)
                self.mean[name].lerp_(now, 1 - keeps)
        self.step += 1
        return {"loss": float(total.detach()), **parts}

    def averaged(self) -> PersonNet:
        """The network with the running mean of its weights, on the device."""
        net = PersonNet(after=self.settings.mscsa, has_metric=self.settings.keeps_metric).to(self.settings.device)
        net.load_state_dict(self.net.state_dict() | self.mean)
        return net.eval()

    def save(self, path: Path) -> None:
        """Writes a checkpoint whole or not at all."""
        state = {
            "settings": asdict(self.settings),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "net": self.net.state_dict(),
            "mean": self.mean,
            "start": self.start,
            "people": self.people.names,
            "classifier": self.classifier.state_dict(),
            "told": self.told.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "known": self.known,
            "known_who": self.known_who,
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)

    def resume(self, path: Path) -> None:
        """Goes on from a checkpoint of the same settings; more people may have come since, if no loss counts them."""
        state = read_checkpoint(path, "mean", KIND)
        same_settings(path, self.settings, AppearanceSettings.of(state["settings"], path), ("device",))
        take(self.net, state["net"], path)
        take(self.told, state["told"], path)
        is_same = state["people"] == self.people.names
        if self.settings.losses.identity:
            if not is_same:
                raise DatasetError(f"{path}: a checkpoint of other people, and the loss `identity` counts them")
            take(self.classifier, state["classifier"], path)
        self.optimiser.load_state_dict(state["optimiser"])
        device = self.settings.device
        self.mean, self.start = ({name: value.to(device) for name, value in state[key].items()} for key in ("mean", "start"))
        if is_same:
            self.known, self.known_who = state["known"].to(device), state["known_who"].to(device)
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]


def load_appearance(path: Path, share: float = 1.0) -> PersonNet:
    """The mean network of a checkpoint, or a point on the line from the published weights (share 0) to it (share 1)."""
    state = read_checkpoint(path, "mean", KIND)
    net = PersonNet(after=tuple(state["settings"].get("mscsa", ())), has_metric=state["settings"].get("keeps_metric", False))
    between = {name: torch.lerp(state["start"][name], value, share) for name, value in state["mean"].items()}
    take(net, state["net"] | between, path)
    return net.eval()


@torch.no_grad()
def vectors_of(net: PersonNet, paths: list[Path], batch: int = 32) -> np.ndarray:
    """Pictures x 256, at the network's own size."""
    rows, device = [], next(net.parameters()).device
    for start in range(0, len(paths), batch):
        chunk = torch.stack([plain(read_rgb(path), HEIGHT, WIDTH) for path in paths[start : start + batch]])
        rows.append(net((chunk * CODES).to(device).contiguous(memory_format=torch.channels_last)).cpu().numpy())
    return np.concatenate(rows)


def evaluate_appearance(net: PersonNet, pictures: list[Picture]) -> dict[str, float]:
    """Rank-1, mAP and mINP of pictures asking for the same person on other cameras."""
    names = {name: number for number, name in enumerate(sorted({picture.identity for picture in pictures}))}
    who = np.array([names[picture.identity] for picture in pictures])
    camera = np.array([picture.camera for picture in pictures])
    return image_scores(vectors_of(net, [picture.path for picture in pictures]), who, camera)
