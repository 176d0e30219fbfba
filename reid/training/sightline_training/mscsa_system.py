"""CLIP-ReID with MSCSA and TGI: stage 1 learns words for each identity, stage 2 the picture side."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from sightline_training.clip import Clip
from sightline_training.clip_words import clip_ids
from sightline_training.losses import fp32, product
from sightline_training.mscsa import MscsaResNet, Tgi, exported
from sightline_training.system import Batch, FamilySettings, System, frozen, trainable

# Words that an identity has for itself, and the sentence around them.
OWN_WORDS = 4
SENTENCE = "A photo of a X X X X person."
# Where the four stand: after the marker of the start and "a photo of a".
BEFORE = 5
# CLIP-ReID's weights of the losses, and its margin.
IDENTITY, TRIPLET, IMAGE_TO_TEXT, MARGIN, SMOOTHING = 0.25, 1.0, 1.0, 0.3, 0.1
# Sentences that go through the text side at once.
AT_ONCE = 256


class Prompts(nn.Module):
    """The sentence of each identity, its four words learned."""

    def __init__(self, identities: int, width: int) -> None:
        super().__init__()
        self.words = nn.Parameter(torch.randn(identities, OWN_WORDS, width) * 0.02)

    def forward(self, clip: Clip, who: torch.Tensor) -> torch.Tensor:
        """Text features of identities, K x embed."""
        size = clip.size
        ids = clip_ids([SENTENCE], size.context, size.vocabulary).to(who.device)
        around = clip.token_embedding(ids).expand(len(who), -1, -1)
        embedded = torch.cat([around[:, :BEFORE], self.words[who], around[:, BEFORE + OWN_WORDS :]], 1)
        return clip.at_end(clip.text_tokens(embedded), ids.expand(len(who), -1))


class MscsaSystem(System):
    """Two phases, `prompts` and `main`; the picture side alone is exported."""

    def __init__(self, settings: FamilySettings, identities: int) -> None:
        super().__init__()
        size = settings.clip
        self.settings = settings
        self.clip = Clip(size, MscsaResNet(size, settings.mscsa))
        widest = size.channels * 32
        self.prompts = Prompts(identities, size.text_width)
        self.tgi = Tgi(size.channels * 16, size.embed, settings.mscsa) if settings.mscsa.tgi else None
        self.necks = nn.ModuleList(nn.BatchNorm1d(width) for width in (widest, size.embed))
        self.classifiers = nn.ModuleList(nn.Linear(width, identities, bias=False) for width in (widest, size.embed))
        for neck, classifier in zip(self.necks, self.classifiers):
            neck.bias.requires_grad = False
            nn.init.normal_(classifier.weight, std=0.001)
        # Each identity's sentence after stage 1, and each picture's vector where stage 1 leaves the picture side alone.
        self.register_buffer("texts", torch.zeros(identities, size.embed))
        self.features: torch.Tensor | None = None

    def begin(self, phase: str, encode) -> None:
        frozen(self.clip)
        is_first = phase == "prompts"
        frozen(self.prompts, not is_first)
        if is_first:
            if self.settings.mscsa.train_in_prompts and self.clip.visual.mscsa:
                frozen(self.clip.visual.mscsa, False)
            else:
                self.features = encode(lambda batch: self.clip.visual(batch.pictures)[2])
            return
        frozen(self.clip.visual, False)
        self.features = None
        with torch.no_grad():
            everybody = torch.arange(len(self.texts), device=self.texts.device).split(AT_ONCE)
            self.texts.copy_(torch.cat([self.prompts(self.clip, some) for some in everybody]))

    def train(self, mode: bool = True) -> MscsaSystem:
        super().train(mode)
        if not any(p.requires_grad for p in self.clip.visual.conv1.parameters()):
            # The first phase leaves the norms of the picture side as they were.
            self.clip.visual.eval()
            for block in self.clip.visual.mscsa.values():
                block.train(mode)
        return self

    def needs_pictures(self, phase: str) -> bool:
        return phase != "prompts" or self.features is None

    def groups(self, phase: str) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        if phase == "prompts":
            return [], trainable(self.prompts, self.clip.visual)
        fresh = trainable(self.clip.visual.mscsa)
        new = {id(parameter) for parameter in fresh}
        old = [parameter for parameter in trainable(self.clip.visual) if id(parameter) not in new]
        return old, fresh + trainable(self.tgi, self.necks, self.classifiers)

    def losses(self, phase: str, batch: Batch) -> dict[str, torch.Tensor]:
        return self.prompt_losses(batch) if phase == "prompts" else self.picture_losses(batch)

    def prompt_losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        if self.features is None:
            pictures = self.clip.visual(batch.pictures)[2]
        else:
            pictures = self.features[batch.which]
        texts = self.prompts(self.clip, batch.who)
        scores = product(pictures, texts.T)
        same = (batch.who[:, None] == batch.who[None, :]).float()
        share = same / same.sum(1, keepdim=True)
        return {
            "i2t": -(share * functional.log_softmax(scores, 1)).sum(1).mean(),
            "t2i": -(share * functional.log_softmax(scores.T, 1)).sum(1).mean(),
        }

    def picture_losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        third, last, pooled = self.clip.visual(batch.pictures)
        seen = (third.mean((2, 3), dtype=torch.float32), last.mean((2, 3), dtype=torch.float32), pooled.float())
        who = batch.who
        with fp32():
            identity = sum(
                functional.cross_entropy(classifier(neck(vector)), who, label_smoothing=SMOOTHING)
                for neck, classifier, vector in zip(self.necks, self.classifiers, seen[1:])
            )
        scores = self.text_scores(third, pooled, who)
        return {
            "identity": IDENTITY * identity,
            "triplet": TRIPLET * sum(hard_triplet(vector, who) for vector in seen),
            "i2t": IMAGE_TO_TEXT * functional.cross_entropy(scores, who, label_smoothing=SMOOTHING),
        }

    def text_scores(self, third: torch.Tensor, pooled: torch.Tensor, who: torch.Tensor) -> torch.Tensor:
        """Pictures x identities; TGI refines the sentences of the batch's identities, in whose queries the picture can be told."""
        scores = product(pooled, self.texts.T)
        if self.tgi is None:
            return scores
        chosen = who.unique()
        refined = self.tgi(self.texts[chosen].to(third.dtype), third)
        own = (refined.float() * pooled.float()[:, None]).sum(2)
        return scores.index_copy(1, chosen, own)

    def image_side(self) -> nn.Module:
        return exported(self.clip.visual)


def hard_triplet(vectors: torch.Tensor, who: torch.Tensor, margin: float = MARGIN) -> torch.Tensor:
    """For each vector, its farthest fellow against its nearest stranger."""
    vectors = vectors.float()
    squares = vectors.square().sum(1)
    apart = (squares[:, None] + squares[None, :] - 2 * product(vectors, vectors.T)).clamp(min=1e-12).sqrt()
    same = who[:, None] == who[None, :]
    fellow = apart.masked_fill(~same, float("-inf")).amax(1)
    stranger = apart.masked_fill(same, float("inf")).amin(1)
    # Somebody alone in the batch has no stranger, and no loss.
    return functional.relu(fellow - stranger + margin).mean()


