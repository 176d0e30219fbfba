"""CLIP's towers (Radford et al., ICML 2021) in any width and depth; parameters bear OpenAI's names, so that its files load as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

# OpenAI's pictures: mean and deviation of each plane.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class ClipSize:
    """Shape of both towers. The defaults are RN50 at 256 x 128, as CLIP-ReID uses it."""

    # `resnet` or `vit`.
    kind: str = "resnet"
    height: int = 256
    width: int = 128
    # Length of the vectors that both towers share.
    embed: int = 1024
    # ResNet: blocks of the four stages, and channels of the stem; the last stage has 32 times as many.
    stages: tuple[int, ...] = (3, 4, 6, 3)
    channels: int = 64
    # ViT: side of a patch in pixels, width, layers.
    patch: int = 16
    vision_width: int = 768
    vision_layers: int = 12
    text_width: int = 512
    text_layers: int = 12
    # Longest sentence in tokens, both markers included.
    context: int = 77
    # The last two words are the markers of start and end.
    vocabulary: int = 49408

    RANGES: ClassVar = {
        **dict.fromkeys(("height", "width", "embed", "stages", "patch", "vision_width", "vision_layers", "text_width"), (1, math.inf)),
        "channels": (2, math.inf),
        # MSCSA's sentence of an identity has 12 tokens.
        "context": (12, math.inf),
        # Bytes in two forms and the two markers, up to all of CLIP's merges.
        "vocabulary": (514, 49408),
    }

    def __post_init__(self) -> None:
        if self.kind not in ("resnet", "vit"):
            raise ValueError(f"clip.kind is `{self.kind}`, expected `resnet` or `vit`")
        object.__setattr__(self, "stages", tuple(self.stages))
        if len(self.stages) != 4:
            raise ValueError(f"clip.stages is {list(self.stages)}, expected the blocks of four stages")
        step = 16 if self.kind == "resnet" else self.patch
        for key, value, by in (("height", self.height, step), ("width", self.width, step), ("channels", self.channels, 2)):
            if value % by:
                raise ValueError(f"clip.{key} is {value}, expected a multiple of {by}")
        for key in ("embed", "text_width", "vision_width"):
            value = getattr(self, key)
            if value % heads_of(value):
                raise ValueError(f"clip.{key} is {value}, expected less than 128 or a multiple of 64")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of positions that the picture side ends with."""
        step = 16 if self.kind == "resnet" else self.patch
        return self.height // step, self.width // step


def heads_of(width: int) -> int:
    """64 channels a head, as everywhere in CLIP."""
    return max(1, width // 64)


class QuickGelu(nn.Module):
    """x sigmoid(1.702 x)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(1.702 * x)


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """N x L x C to N x heads x L x C / heads."""
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(1, 2)


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int, mask=None) -> torch.Tensor:
    """Attention of several heads over N x L x C; `mask` is added to the scores."""
    q, k, v = (split_heads(part, heads) for part in (query, key, value))
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return mixed.transpose(1, 2).reshape(query.shape)


class Attention(nn.Module):
    """Attention with the parameters of PyTorch's `MultiheadAttention`, over itself or over something else."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: torch.Tensor, other: torch.Tensor | None = None, mask=None) -> torch.Tensor:
        if other is None:
            query, key, value = functional.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            width = x.shape[-1]
            query = functional.linear(x, self.in_proj_weight[:width], self.in_proj_bias[:width])
            both = functional.linear(other, self.in_proj_weight[width:], self.in_proj_bias[width:])
            key, value = both.chunk(2, -1)
        return self.out_proj(attend(query, key, value, self.heads, mask))


class ResidualBlock(nn.Module):
    """A transformer layer of CLIP: norms first, a feed-forward part four times as wide."""

    def __init__(self, width: int, heads: int | None = None) -> None:
        super().__init__()
        self.attn = Attention(width, heads or heads_of(width))
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("c_fc", nn.Linear(width, width * 4))
        self.mlp.add_module("gelu", QuickGelu())
        self.mlp.add_module("c_proj", nn.Linear(width * 4, width))

    def forward(self, x: torch.Tensor, mask=None) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x), mask=mask)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Layers one after another."""

    def __init__(self, width: int, layers: int, heads: int | None = None) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(ResidualBlock(width, heads) for _ in range(layers))
        # OpenAI's start, smaller with depth.
        for block in self.resblocks:
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=width**-0.5 * (2 * layers) ** -0.5)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=width**-0.5 * (2 * layers) ** -0.5)

    def forward(self, x: torch.Tensor, mask=None) -> torch.Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class Bottleneck(nn.Module):
    """CLIP's residual block: an average pool in place of each stride."""

    def __init__(self, inputs: int, planes: int, stride: int) -> None:
        super().__init__()
        outputs = planes * 4
        self.conv1, self.bn1 = nn.Conv2d(inputs, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = nn.Conv2d(planes, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.avgpool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.downsample = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential()
            self.downsample.add_module("-1", nn.AvgPool2d(stride))
            self.downsample.add_module("0", nn.Conv2d(inputs, outputs, 1, bias=False))
            self.downsample.add_module("1", nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.avgpool(functional.relu(self.bn2(self.conv2(y))))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class AttentionPool(nn.Module):
    """Positions and their mean, attended by the mean alone: the other tokens are of no use to a vector."""

    def __init__(self, positions: int, width: int, outputs: int) -> None:
        super().__init__()
        self.heads = heads_of(width)
        self.positional_embedding = nn.Parameter(torch.randn(positions + 1, width) * width**-0.5)
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.c_proj = nn.Linear(width, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.positional_embedding
        mixed = attend(self.q_proj(x[:, :1]), self.k_proj(x), self.v_proj(x), self.heads)
        return self.c_proj(mixed[:, 0])


class ResNet(nn.Module):
    """CLIP's ModifiedResNet with its last stride taken out; `between` is called after each stage with what went in and what came out."""

    def __init__(self, size: ClipSize) -> None:
        super().__init__()
        stem = size.channels
        self.conv1 = nn.Conv2d(3, stem // 2, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(stem // 2, stem // 2, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(stem // 2, stem, 3, padding=1, bias=False)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(stem // 2), nn.BatchNorm2d(stem // 2), nn.BatchNorm2d(stem)
        self.avgpool = nn.AvgPool2d(2)
        inputs = stem
        for number, (blocks, stride) in enumerate(zip(size.stages, (1, 2, 2, 1)), 1):
            planes = stem * 2 ** (number - 1)
            stage = [Bottleneck(inputs if block == 0 else planes * 4, planes, stride if block == 0 else 1) for block in range(blocks)]
            setattr(self, f"layer{number}", nn.Sequential(*stage))
            inputs = planes * 4
        rows, columns = size.grid
        self.attnpool = AttentionPool(rows * columns, inputs, size.embed)
        # A block that starts as the identity trains from where it is (as OpenAI does).
        for name, parameter in self.named_parameters():
            if name.endswith("bn3.weight") and name.startswith("layer"):
                nn.init.zeros_(parameter)

    def between(self, stage: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """What goes on from a stage."""
        return high

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Maps after stages 3 and 4, and the attention pool's vector."""
        x = pictures
        for conv, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = functional.relu(norm(conv(x)))
        x = self.avgpool(x)
        for number in (1, 2, 3):
            x = self.between(number, x, getattr(self, f"layer{number}")(x))
        last = self.between(4, x, self.layer4(x))
        return x, last, self.attnpool(last)


class VisionTransformer(nn.Module):
    """CLIP's ViT; `prompts`, layers x tokens x width, stand after the class token of the last layers, new ones at each."""

    def __init__(self, size: ClipSize) -> None:
        super().__init__()
        width = size.vision_width
        rows, columns = size.grid
        self.conv1 = nn.Conv2d(3, width, size.patch, stride=size.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.positional_embedding = nn.Parameter(torch.randn(rows * columns + 1, width) * width**-0.5)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, size.vision_layers)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, size.embed) * width**-0.5)

    def hidden(self, pictures: torch.Tensor, prompts: torch.Tensor | None = None) -> torch.Tensor:
        """Tokens after the last layer, N x L x width; those of prompts are left out."""
        x = self.conv1(pictures).flatten(2).transpose(1, 2)
        start = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        x = self.ln_pre(torch.cat([start, x], 1) + self.positional_embedding)
        blocks = self.transformer.resblocks
        first = len(blocks) if prompts is None else len(blocks) - prompts.shape[0]
        for number, block in enumerate(blocks):
            if number < first:
                x = block(x)
                continue
            own = prompts[number - first].expand(x.shape[0], -1, -1).to(x.dtype)
            x = block(torch.cat([x[:, :1], own, x[:, 1:]], 1))
            x = torch.cat([x[:, :1], x[:, 1 + own.shape[1] :]], 1)
        return x

    def tokens(self, pictures: torch.Tensor, prompts: torch.Tensor | None = None) -> torch.Tensor:
        """Tokens in the shared space, N x L x embed; the first is the picture's vector."""
        return self.ln_post(self.hidden(pictures, prompts)) @ self.proj

    def forward(self, pictures: torch.Tensor, prompts: torch.Tensor | None = None) -> torch.Tensor:
        return self.ln_post(self.hidden(pictures, prompts)[:, 0]) @ self.proj


class Clip(nn.Module):
    """Both towers. The text side looks back only, so what follows a sentence's end changes nothing."""

    def __init__(self, size: ClipSize, visual: nn.Module | None = None) -> None:
        super().__init__()
        self.size = size
        towers = {"resnet": ResNet, "vit": VisionTransformer}
        self.visual = towers[size.kind](size) if visual is None else visual
        self.transformer = Transformer(size.text_width, size.text_layers)
        self.token_embedding = nn.Embedding(size.vocabulary, size.text_width)
        self.positional_embedding = nn.Parameter(torch.randn(size.context, size.text_width) * 0.01)
        self.ln_final = nn.LayerNorm(size.text_width)
        self.text_projection = nn.Parameter(torch.randn(size.text_width, size.embed) * size.text_width**-0.5)
        self.logit_scale = nn.Parameter(torch.tensor(2.6593))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        later = torch.full((size.context, size.context), float("-inf")).triu(1)
        self.register_buffer("later", later, persistent=False)

    def text_tokens(self, embedded: torch.Tensor) -> torch.Tensor:
        """Embedded tokens N x L x width to tokens in the shared space, N x L x embed."""
        length = embedded.shape[1]
        x = embedded + self.positional_embedding[:length]
        x = self.transformer(x, self.later[:length, :length].to(x.dtype))
        return self.ln_final(x) @ self.text_projection

    def at_end(self, tokens: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """The token at each sentence's end marker."""
        is_end = (ids == self.size.vocabulary - 1).to(tokens.dtype)
        return (tokens * is_end[:, :, None]).sum(1)

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids N x L, each row with its markers, to N x embed."""
        return self.at_end(self.text_tokens(self.token_embedding(ids)), ids)


def unit(vectors: torch.Tensor) -> torch.Tensor:
    """Length one, in fp32."""
    return functional.normalize(vectors.float(), dim=-1)
