"""The training of the joint pair: batches by identity, losses by switch, checkpoints that go on where they stopped."""

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

from sightline_training import losses as L
from sightline_training.augment import Augment, training_batch
from sightline_training.checkpoint import read_checkpoint, same_settings, take
from sightline_training.dataset import DatasetError, Picture
from sightline_training.device import check_device, prepare_device
from sightline_training.kept_maps import KeptMaps
from sightline_training.person_tower import PersonTower
from sightline_training.picture_tower import PictureSize, PictureTower, normalised
from sightline_training.scenes import placed, scenes_for
from sightline_training.settings import merged
from sightline_training.text_tower import PAD, TextSize, TextTower, padded, tokenizer
from sightline_training.words import retold

KIND = "the joint pair"
# MiniLM's weights come from its package and never change, so a checkpoint has none of them.
ELSEWHERE = ("text.minilm.",)


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on; stored in each checkpoint."""

    picture: PictureSize = field(default_factory=PictureSize)
    text: TextSize = field(default_factory=TextSize)
    losses: L.Losses = field(default_factory=L.Losses)
    augment: Augment = field(default_factory=Augment)
    identities: int = 48
    views: int = 2
    clauses: int = 96
    rate: float = 1e-3
    backbone_rate: float = 3e-4
    weight_decay: float = 0.02
    warm_up: int = 100
    steps: int = 3000
    seed: int = 0
    bf16: bool = True
    # Whether the maps of the frozen blocks are made once for each picture, and kept: a small machine then sees more pictures,
    # each in one of `variants` changes at random.
    keeps_maps: bool = False
    variants: int = 4
    # `cpu` or `cuda`.
    device: str = "cpu"

    RANGES: ClassVar = {"identities": (2, math.inf), **dict.fromkeys(("views", "warm_up", "steps", "variants"), (1, math.inf))}

    def __post_init__(self) -> None:
        check_device(self.device)
        if self.picture.channels != self.text.channels:
            raise ValueError(f"picture.channels is {self.picture.channels} and text.channels {self.text.channels}, expected the same")
        if self.keeps_maps and not self.picture.frozen_blocks:
            raise ValueError("keeps_maps keeps what comes after the frozen blocks, so picture.frozen_blocks must be 1 or more")
        if self.views < 2 and self.losses.views:
            raise ValueError(f"views is {self.views}, and losses.views compares those of a person: expected 2 or more, or losses.views 0")

    @staticmethod
    def of(raw: dict, source: object = "settings") -> Settings:
        """From a checkpoint or a JSON file, `source`; keys that are missing keep their defaults."""
        return merged(Settings(), raw, source)


class Pair(nn.Module):
    """Both towers and the temperatures between them.

    `published` is the ONNX file that a picture side of the backbone `person` begins from.
    """

    def __init__(self, settings: Settings, from_packages: bool = True, published: Path | None = None) -> None:
        super().__init__()
        is_person = settings.picture.backbone == "person"
        self.picture = PersonTower(settings.picture, published) if is_person else PictureTower(settings.picture, from_packages)
        self.text = TextTower(settings.text, from_packages)
        self.scales = L.Scales()
        for parameter in self.picture.frozen().parameters():
            parameter.requires_grad = False


class Sampler:
    """Batches of `identities` x `views`; each depends on the seed and the step alone."""

    def __init__(self, pictures: list[Picture], settings: Settings) -> None:
        by_identity: dict[str, list[Picture]] = defaultdict(list)
        for picture in pictures:
            if picture.captions:
                by_identity[picture.identity].append(picture)
        self.people = sorted(by_identity)
        self.by_identity = by_identity
        self.number = {name: number for number, name in enumerate(self.people)}
        self.settings = settings
        if len(self.people) < settings.identities:
            raise DatasetError(f"{len(self.people)} people with sentences, a batch needs {settings.identities}")

    def batch(self, step: int) -> tuple[list[Picture], list[str], np.random.Generator]:
        """Pictures grouped by identity, one sentence an identity, and the chance that goes with the step."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, step])
        pictures, sentences = [], []
        for person in rng.choice(len(self.people), settings.identities, replace=False):
            own = self.by_identity[self.people[person]]
            chosen = rng.choice(len(own), settings.views, replace=len(own) < settings.views)
            pictures += [own[number] for number in chosen]
            captions = own[chosen[0]].captions
            # The first sentence tells most.
            number = 0 if rng.random() < 0.5 else int(rng.integers(len(captions)))
            sentences.append(retold(captions[number], rng))
        return pictures, sentences, rng


def clause_table(
    pictures: list[Picture], count: int, rng: np.random.Generator
) -> tuple[list[str], torch.Tensor]:
    """Clauses that hold of somebody in the batch, and pictures x clauses: 1 holds, 0 does not, -1 cannot be told."""
    known = sorted({clause for picture in pictures for clause in picture.true_clauses})
    if len(known) > count:
        known = [known[number] for number in sorted(rng.choice(len(known), count, replace=False))]
    table = torch.zeros(len(pictures), len(known))
    for row, picture in enumerate(pictures):
        for column, (part, text) in enumerate(known):
            if (part, text) in picture.true_clauses:
                table[row, column] = 1
            elif part in picture.unclear_parts or not picture.is_described:
                table[row, column] = -1
    return [text for _, text in known], table


class Run:
    """One training: model, optimiser, step.

    `published` is the ONNX file of a picture side that begins from 0267, `scenes` the folder of photographs, where the settings ask for them.
    """

    def __init__(self, settings: Settings, pictures: list[Picture], published: Path | None = None, scenes: Path | None = None) -> None:
        if (settings.picture.backbone == "person") != (published is not None):
            told = f"{published}: published weights are given, and" if published else "--published FILE names 0267's weights, and it is missing:"
            raise DatasetError(f"{told} picture.backbone is `{settings.picture.backbone}`")
        self.scenes = scenes_for(settings.augment, scenes)
        prepare_device(settings.device)
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.sampler = Sampler(pictures, settings)
        self.pair = Pair(settings, published=published).to(settings.device)
        # As the maps are: filters the other way round are turned at every step, a third of its time on a CPU.
        self.pair.picture.to(memory_format=torch.channels_last)
        self.words = tokenizer(settings.text.tokens)
        self.classifier = (
            nn.Linear(settings.picture.channels, len(self.sampler.people), bias=False).to(settings.device)
            if settings.losses.identity
            else None
        )
        backbone = [p for p in self.pair.picture.backbone().parameters() if p.requires_grad]
        inside = {id(p) for p in backbone}
        rest = [p for p in self.pair.parameters() if p.requires_grad and id(p) not in inside]
        if self.classifier is not None:
            rest += list(self.classifier.parameters())
        self.rates = [settings.backbone_rate, settings.rate]
        self.optimiser = torch.optim.AdamW(
            [{"params": backbone}, {"params": rest}], lr=settings.rate, weight_decay=settings.weight_decay
        )
        self.step = 0
        self.elapsed_s = 0.0
        self.kept: KeptMaps | None = None
        self.known_phrases: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def pictures(self) -> int:
        """Pictures in a step."""
        return self.settings.identities * self.settings.views

    def tokens(self, texts: list[str]) -> torch.Tensor:
        """Token ids of sentences, on the device."""
        return padded([encoding.ids for encoding in self.words.encode_batch(texts)]).to(self.settings.device)

    def autocast(self) -> torch.autocast:
        """Mixed precision, where it is asked for."""
        return torch.autocast(self.settings.device, torch.bfloat16, enabled=self.settings.bf16)

    def phrases(self, texts: list[str]) -> torch.Tensor:
        """Vectors of clauses, of which there are few: MiniLM sees each of them once."""
        new = [text for text in texts if text not in self.known_phrases]
        if new:
            ids = self.tokens(new)
            for text, row, tokens in zip(new, ids, self.pair.text.frozen(ids)):
                length = int((row != PAD).sum())
                self.known_phrases[text] = (row[:length], tokens[:length].to(torch.bfloat16))
        known = [self.known_phrases[text] for text in texts]
        ids = nn.utils.rnn.pad_sequence([ids for ids, _ in known], batch_first=True)
        tokens = nn.utils.rnn.pad_sequence([tokens for _, tokens in known], batch_first=True)
        return self.pair.text.head(tokens.float(), ids)

    def keep_maps(self, file: Path) -> None:
        """Makes the maps of all pictures that batches are made of, unless the file has them.

        Trainings that differ after the frozen blocks alone may share it.
        """
        settings, weights = self.settings, hashlib.sha256()
        paths = sorted(picture.path for own in self.sampler.by_identity.values() for picture in own)
        for value in self.pair.picture.frozen().state_dict().values():
            weights.update(value.cpu().numpy().tobytes())
        size = (settings.picture.height, settings.picture.width, settings.picture.frozen_blocks, settings.bf16)
        behind = hashlib.sha256()
        for photograph in self.scenes.pictures if self.scenes else []:
            behind.update(photograph.tobytes())
        depends_on = [weights.hexdigest(), size, asdict(settings.augment), behind.hexdigest()]
        self.pair.train()
        self.kept = KeptMaps(file, paths, settings.variants, depends_on, self.fresh_maps, settings.seed)

    def maps(self, pictures: list[Picture], rng: np.random.Generator) -> torch.Tensor:
        """What the frozen blocks give of pictures, made or kept."""
        paths = [picture.path for picture in pictures]
        return self.fresh_maps(paths, rng) if self.kept is None else self.kept.of(paths, rng).to(self.settings.device)

    def fresh_maps(self, paths: list[Path], rng: np.random.Generator) -> torch.Tensor:
        """Pictures changed at random, through the frozen blocks."""
        size, strength, scenes = (self.settings.picture.height, self.settings.picture.width), self.settings.augment, self.scenes
        behind = scenes and (lambda picture, path, rng: placed(picture, path, scenes, rng, strength))
        tensor = normalised(training_batch(paths, size, rng, strength, behind))
        with self.autocast():
            return self.pair.picture.before(tensor.to(self.settings.device).contiguous(memory_format=torch.channels_last))

    def loss(self, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        """The weighted sum over one batch, and its parts."""
        settings, weights = self.settings, self.settings.losses
        pictures, sentences, rng = self.sampler.batch(step)
        maps = self.maps(pictures, rng)
        who = torch.tensor([self.sampler.number[picture.identity] for picture in pictures], device=settings.device)
        asked = who[:: settings.views]
        with self.autocast():
            seen = self.pair.picture.after(maps)
            told = self.pair.text(self.tokens(sentences))
        cosine = told @ seen.T
        target, back = L.shares(asked, who), L.shares(who, asked)
        parts: dict[str, torch.Tensor] = {}
        if weights.contrast:
            parts["contrast"] = L.contrast(
                cosine * self.pair.scales.contrast_scale(), target, back, weights.smoothing
            )
        if weights.sdm:
            parts["sdm"] = L.sdm(cosine, target, back)
        if weights.minp:
            parts["minp"] = L.minp(told, seen, asked[:, None] == who[None, :])
        if weights.views:
            parts["views"] = L.views(seen, who, weights.views_temperature)
        if weights.clause:
            clauses, truth = clause_table(pictures, settings.clauses, rng)
            if clauses:
                with self.autocast():
                    phrases = self.phrases(clauses)
                parts["clause"] = L.clause(self.pair.scales.clause_logits(seen @ phrases.T), truth.to(settings.device))
        if self.classifier is not None:
            both = torch.cat([seen, told])
            logits = self.classifier(both * 16)
            parts["identity"] = nn.functional.cross_entropy(logits, torch.cat([who, asked]), label_smoothing=0.1)
        if not parts:
            raise ValueError("settings: every loss is off")
        total = sum(getattr(weights, name) * value for name, value in parts.items())
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def advance(self, progress: float) -> dict[str, float]:
        """One step; `progress` 0..1 sets the learning rate (linear warm-up, then cosine)."""
        torch.manual_seed(self.settings.seed * 1_000_003 + self.step)
        slope = min(1.0, (self.step + 1) / self.settings.warm_up) * (0.5 + 0.5 * math.cos(math.pi * min(progress, 1)))
        for group, rate in zip(self.optimiser.param_groups, self.rates):
            group["lr"] = rate * slope
        self.pair.train()
        total, parts = self.loss(self.step)
        if not torch.isfinite(total):
            raise FloatingPointError(f"step {self.step}: the loss is {float(total.detach())}")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_([p for g in self.optimiser.param_groups for p in g["params"]], 5.0)
        self.optimiser.step()
        self.step += 1
        return {"loss": float(total.detach()), **parts}

    def save(self, path: Path) -> None:
        """Writes a checkpoint whole or not at all; MiniLM's own weights are left out."""
        weights = {k: v for k, v in self.pair.state_dict().items() if not k.startswith(ELSEWHERE)}
        state = {
            "settings": asdict(self.settings),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "people": self.sampler.people,
            "pair": weights,
            "optimiser": self.optimiser.state_dict(),
            "classifier": None if self.classifier is None else self.classifier.state_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)

    def resume(self, path: Path) -> None:
        """Goes on from a checkpoint of the same settings; more people may have come since, if no loss counts them."""
        state = read_checkpoint(path, "pair", KIND)
        same_settings(path, self.settings, Settings.of(state["settings"], path), ("device",))
        take(self.pair, state["pair"], path, ELSEWHERE)
        if self.classifier is not None:
            if state.get("people") != self.sampler.people:
                raise DatasetError(f"{path}: a checkpoint of other people, and the loss `identity` counts them")
            take(self.classifier, state["classifier"], path)
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]


def load_pair(path: Path) -> tuple[Pair, Settings]:
    """The towers of a checkpoint, ready to use."""
    state = read_checkpoint(path, "pair", KIND)
    settings = Settings.of(state["settings"], path)
    pair = Pair(settings)
    take(pair, state["pair"], path, ELSEWHERE)
    return pair.eval(), settings

