"""What the three published systems have in common: settings, batches, and the calls that training makes."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import torch
from torch import nn

from sightline_training.clip import CLIP_MEAN, CLIP_STD, ClipSize
from sightline_training.dataset import DatasetError
from sightline_training.device import DEVICES
from sightline_training.mscsa import MscsaSettings
from sightline_training.picture_tower import MEAN, STD
from sightline_training.propot import PropotSettings
from sightline_training.settings import SettingsError, merged
from sightline_training.vpm import VpmSettings

SYSTEMS = ("mscsa", "propot", "vpm")


@dataclass(frozen=True)
class Phase:
    """One course of training over the data."""

    epochs: int = 60
    # `adam`, or `adamw`.
    optimiser: str = "adam"
    # Of the modules that come with weights, and of the new ones.
    rate: float = 1e-5
    new_rate: float = 1e-4
    weight_decay: float = 4e-5
    warm_up_epochs: float = 6.0
    # The rate that warm-up starts from, as a share.
    warm_up_from: float = 0.1
    # `cosine`, or `steps`: a tenth after each of the milestones.
    decay: str = "cosine"
    milestones: tuple[int, ...] = ()
    # Views of a person in a batch; 0 takes pictures as they come.
    views: int = 0
    batch: int = 64

    RANGES: ClassVar = {"batch": (1, math.inf), "warm_up_from": (0, 1)}

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(self.milestones))
        if self.views > self.batch:
            raise ValueError(f"phase.views is {self.views}, and a batch has {self.batch} pictures")
        for key, known in (("optimiser", ("adam", "adamw")), ("decay", ("cosine", "steps"))):
            if getattr(self, key) not in known:
                raise ValueError(f"phase.{key} is `{getattr(self, key)}`, expected one of {', '.join(known)}")


@dataclass(frozen=True)
class Changes:
    """What is done to a training picture; zero turns a part off."""

    flip: float = 0.5
    # Pixels added around before a piece of the first size is cut out.
    pad: int = 10
    erase: float = 0.5

    RANGES: ClassVar = {"flip": (0, 1), "erase": (0, 1)}


@dataclass(frozen=True)
class FamilySettings:
    """Everything a run depends on; stored in each checkpoint."""

    system: str = "mscsa"
    clip: ClipSize = field(default_factory=ClipSize)
    mscsa: MscsaSettings = field(default_factory=MscsaSettings)
    propot: PropotSettings = field(default_factory=PropotSettings)
    vpm: VpmSettings = field(default_factory=VpmSettings)
    # The first phase is mscsa's stage 1, which the others do not have.
    prompts: Phase = field(default_factory=Phase)
    main: Phase = field(default_factory=Phase)
    changes: Changes = field(default_factory=Changes)
    # `clip` or `imagenet`: what pictures are normalised by.
    normalisation: str = "clip"
    # `fp32`, `bf16`, or `fp16` (on a GPU).
    precision: str = "fp32"
    # `cpu` or `cuda`.
    device: str = "cpu"
    # Threads that read pictures.
    readers: int = 1
    seed: int = 0

    RANGES: ClassVar = {"readers": (1, 64)}

    def __post_init__(self) -> None:
        known = {
            "system": SYSTEMS,
            "normalisation": ("clip", "imagenet"),
            "precision": ("fp32", "bf16", "fp16"),
            "device": DEVICES,
        }
        for key, values in known.items():
            if getattr(self, key) not in values:
                raise ValueError(f"{key} is `{getattr(self, key)}`, expected one of {', '.join(values)}")
        if self.precision == "fp16" and self.device != "cuda":
            raise ValueError("precision `fp16` trains on a GPU alone; use `bf16` on the CPU")
        count = self.vpm.place[0]
        if self.system == "vpm" and count > self.clip.vision_layers:
            raise ValueError(f"vpm: prompts in {count} layers, the picture side has {self.clip.vision_layers}")
        kind = "resnet" if self.system == "mscsa" else "vit"
        if self.clip.kind != kind:
            raise ValueError(f"clip.kind is `{self.clip.kind}`, expected `{kind}` for {self.system}")

    @property
    def phases(self) -> tuple[str, ...]:
        """Names of the phases, in order."""
        return ("prompts", "main") if self.system == "mscsa" else ("main",)

    @property
    def planes(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each plane."""
        return (CLIP_MEAN, CLIP_STD) if self.normalisation == "clip" else (MEAN, STD)


def published(system: str) -> FamilySettings:
    """The settings of a paper."""
    if system == "mscsa":
        fast = Phase(rate=3.5e-4, new_rate=3.5e-4, weight_decay=1e-4, warm_up_from=0.01)
        prompts = replace(fast, epochs=60, warm_up_epochs=5.0)
        main = replace(fast, epochs=120, warm_up_epochs=10.0, decay="steps", milestones=(40, 70), views=4)
        return FamilySettings(prompts=prompts, main=main, normalisation="imagenet")
    tower = ClipSize(kind="vit", height=384, width=128, embed=512)
    if system == "propot":
        return FamilySettings(system="propot", clip=tower)
    main = Phase(epochs=90, optimiser="adamw", rate=2e-5, new_rate=2e-5, warm_up_epochs=10.0, warm_up_from=0.05)
    return FamilySettings(system="vpm", clip=replace(tower, width=384), main=main)


def settings_from(raw: dict, base: FamilySettings | None = None, source: object = "settings") -> FamilySettings:
    """Settings of a JSON file or a checkpoint, `source`, over `base`, or over the paper's."""
    system = raw.get("system", "mscsa") if isinstance(raw, dict) else "mscsa"
    if system not in SYSTEMS:
        raise SettingsError(f"{source}: system is `{system}`, expected one of {', '.join(SYSTEMS)}")
    return merged(base or published(system), raw, source)


def as_table(settings: FamilySettings) -> dict:
    """Settings as plain values."""
    return asdict(settings)


@dataclass(frozen=True)
class Batch:
    """What a step sees. `who` are numbers of identities, `which` numbers of pictures in the set."""

    who: torch.Tensor
    which: torch.Tensor
    # N x 3 x H x W, normalised; nothing where the phase needs none.
    pictures: torch.Tensor | None
    # N x L, a sentence of each picture; nothing where the system reads none.
    ids: torch.Tensor | None


class System(nn.Module):
    """One of the three: its towers, what trains them, and what is exported of them."""

    settings: FamilySettings

    @abstractmethod
    def begin(self, phase: str, encode) -> None:
        """Makes ready for a phase: what trains, and what is computed once.

        `encode` takes a function from a batch to a tensor of rows and gives its rows over the whole training set, in the
        set's order, from unchanged pictures.
        """

    def needs_pictures(self, phase: str) -> bool:
        """Whether the phase looks at pictures at every step."""
        return True

    @abstractmethod
    def groups(self, phase: str) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Parameters that came with weights, and new ones."""

    @abstractmethod
    def losses(self, phase: str, batch: Batch) -> dict[str, torch.Tensor]:
        """The parts of the loss, weighted."""

    @abstractmethod
    def image_side(self) -> nn.Module:
        """Normalised pictures to vectors of length one."""

    def text_side(self) -> nn.Module | None:
        """Token ids to vectors of length one, where sentences can be searched with."""
        return None


def frozen(module: nn.Module, is_frozen: bool = True) -> None:
    """Stops or starts the training of a module's parameters."""
    for parameter in module.parameters():
        parameter.requires_grad = not is_frozen


def trainable(*modules: nn.Module | None) -> list[nn.Parameter]:
    """Parameters that train, of modules that are there."""
    return [p for module in modules if module is not None for p in module.parameters() if p.requires_grad]


def build(settings: FamilySettings, identities: int) -> System:
    """A system of that many training identities, from nothing."""
    from sightline_training.mscsa_system import MscsaSystem
    from sightline_training.pair_systems import PropotSystem, VpmSystem

    if identities < 2:
        raise DatasetError(f"{identities} identities, a training needs at least 2")
    kinds = {"mscsa": MscsaSystem, "propot": PropotSystem, "vpm": VpmSystem}
    return kinds[settings.system](settings, identities)
