"""Propot and VPM-Net as they are trained: CLIP's two towers, what each adds to them, and their losses."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sightline_training import losses as L
from sightline_training.clip import Clip
from sightline_training.mscsa import Unit
from sightline_training.propot import MaskedWords, Prototypes, masked, p2i
from sightline_training.system import Batch, FamilySettings, System, trainable
from sightline_training.vpm import Kan, prompt_parameters


class ImageTower(nn.Module):
    """Normalised pictures to the shared space, before their length is made one."""

    def __init__(self, visual: nn.Module, prompts: nn.Parameter | None = None, kan: nn.Module | None = None) -> None:
        super().__init__()
        self.visual, self.prompts, self.kan = visual, prompts, kan

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        vectors = self.visual(pictures, self.prompts)
        return vectors if self.kan is None else self.kan(vectors)


class TextTower(nn.Module):
    """Token ids to the shared space, before their length is made one."""

    def __init__(self, clip: Clip, kan: nn.Module | None = None) -> None:
        super().__init__()
        self.clip, self.kan = clip, kan

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        vectors = self.clip.encode_text(ids)
        return vectors if self.kan is None else self.kan(vectors)


class PairSystem(System):
    """Two towers, an identity classifier that both share, and one phase."""

    def __init__(self, settings: FamilySettings, identities: int) -> None:
        super().__init__()
        self.settings = settings
        self.clip = Clip(settings.clip)
        # Our temperature is fixed.
        self.clip.logit_scale.requires_grad = False
        self.classifier = nn.Linear(settings.clip.embed, identities)
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)

    def begin(self, phase: str, encode) -> None:
        pass

    def groups(self, phase: str) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        old = trainable(self.clip)
        known = {id(parameter) for parameter in old}
        return old, [parameter for parameter in trainable(self) if id(parameter) not in known]

    def match(self, weights, pictures: torch.Tensor, texts: torch.Tensor, who: torch.Tensor) -> dict[str, torch.Tensor]:
        """SDM and identity, which both systems share."""
        parts = {}
        if weights.sdm:
            target = L.shares(who, who)
            parts["sdm"] = weights.sdm * L.sdm(L.cosines(texts, pictures), target, target, weights.temperature)
        if weights.identity:
            with L.fp32():
                both = [functional.cross_entropy(self.classifier(side.float()), who) for side in (pictures, texts)]
            parts["identity"] = weights.identity * sum(both) / 2
        return parts

    def image_side(self) -> nn.Module:
        return Unit(ImageTower(self.clip.visual))

    def text_side(self) -> nn.Module:
        return Unit(TextTower(self.clip))


class PropotSystem(PairSystem):
    """SDM, identities, prototypes, masked words."""

    def __init__(self, settings: FamilySettings, identities: int) -> None:
        super().__init__(settings, identities)
        own = settings.propot
        self.prototypes = Prototypes(identities, settings.clip.embed, own) if own.p2i else None
        self.masked_words = MaskedWords(settings.clip, own) if own.mlm else None

    def begin(self, phase: str, encode) -> None:
        # A training that goes on has them in its checkpoint.
        if self.prototypes is None or bool(self.prototypes.initial.any()):
            return
        both = encode(lambda batch: torch.stack([self.clip.visual(batch.pictures), self.clip.encode_text(batch.ids)], 1))
        who = encode(lambda batch: batch.who)
        self.prototypes.take(both[:, 0], both[:, 1], who)

    def losses(self, phase: str, batch: Batch) -> dict[str, torch.Tensor]:
        weights = self.settings.propot
        tokens = self.clip.visual.tokens(batch.pictures)
        pictures, texts = tokens[:, 0], self.clip.encode_text(batch.ids)
        parts = self.match(weights, pictures, texts, batch.who)
        if self.prototypes is not None:
            own = batch.who.unique()
            prototypes = self.prototypes(own, pictures, texts)
            parts["p2i"] = weights.p2i * p2i(prototypes, [pictures, texts], own, batch.who, weights.temperature)
        if self.masked_words is not None:
            hidden, wanted = masked(batch.ids, self.settings.clip.vocabulary)
            words = self.clip.text_tokens(self.clip.token_embedding(hidden))
            parts["mlm"] = weights.mlm * self.masked_words(words, tokens, wanted)
        return parts


class VpmSystem(PairSystem):
    """Prompts and KANs at inference too; SDM, identities, MINP."""

    def __init__(self, settings: FamilySettings, identities: int) -> None:
        super().__init__(settings, identities)
        own, size = settings.vpm, settings.clip
        self.prompts = prompt_parameters(own, size.vision_width, size.vision_layers)
        self.image_kan = Kan(size.embed, own) if own.kan else None
        self.text_kan = Kan(size.embed, own) if own.kan else None

    def losses(self, phase: str, batch: Batch) -> dict[str, torch.Tensor]:
        weights = self.settings.vpm
        pictures = self.image_tower()(batch.pictures)
        texts = self.text_tower()(batch.ids)
        parts = self.match(weights, pictures, texts, batch.who)
        if weights.minp:
            same = batch.who[:, None] == batch.who[None, :]
            own = (weights.minp_alpha, weights.minp_beta, weights.minp_lambda)
            parts["minp"] = weights.minp * L.minp(pictures, texts, same, *own)
        return parts

    def image_tower(self) -> ImageTower:
        return ImageTower(self.clip.visual, self.prompts, self.image_kan)

    def text_tower(self) -> TextTower:
        return TextTower(self.clip, self.text_kan)

    def image_side(self) -> nn.Module:
        return Unit(self.image_tower())

    def text_side(self) -> nn.Module:
        return Unit(self.text_tower())
