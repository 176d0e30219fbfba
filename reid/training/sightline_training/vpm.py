"""VPM-Net's parts (CMC 2025): prompts in the last layers of the picture side, a KAN after both sides. Its loss, MINP, is in `losses`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

# Layers that have prompts, and prompts in each.
PLACES = {"none": (0, 0), "tail": (4, 25), "portion": (8, 150)}


@dataclass(frozen=True)
class VpmSettings:
    """Weights of the losses (zero turns one off) and the parts. The paper does not say alpha, beta, lambda, nor the KAN's size."""

    # `tail` and `portion` are the paper's, or `none`; `prompt_layers` and `prompt_tokens` above zero change their sizes.
    prompts: str = "portion"
    prompt_layers: int = 0
    prompt_tokens: int = 0
    kan: bool = True
    # Widths between the first and the last, which are the tower's; none is one layer.
    kan_hidden: tuple[int, ...] = ()
    kan_grid: int = 5
    kan_order: int = 3
    sdm: float = 1.0
    identity: float = 1.0
    minp: float = 1.0
    minp_alpha: float = 1.0
    minp_beta: float = 2.0
    minp_lambda: float = 1e-4
    temperature: float = 0.02

    RANGES: ClassVar = {"temperature": (1e-3, math.inf), **dict.fromkeys(("kan_hidden", "kan_grid", "kan_order"), (1, math.inf))}

    def __post_init__(self) -> None:
        object.__setattr__(self, "kan_hidden", tuple(self.kan_hidden))
        if self.prompts not in PLACES:
            raise ValueError(f"vpm.prompts is `{self.prompts}`, expected one of {', '.join(PLACES)}")

    @property
    def place(self) -> tuple[int, int]:
        """Layers with prompts, and prompts in each."""
        layers, tokens = PLACES[self.prompts]
        if self.prompts == "none":
            return 0, 0
        return self.prompt_layers or layers, self.prompt_tokens or tokens


class KanLayer(nn.Module):
    """y = W SiLU(x) + splines of x: each edge has a curve of its own, of cubic B-splines over an even grid on [-1, 1].

    x is what the tower gives, of any length, as in the paper: beyond the grid the curves bend to zero, which they reach at 2.2, and
    from there on W SiLU(x) alone is left.
    """

    def __init__(self, inputs: int, outputs: int, grid: int = 5, order: int = 3) -> None:
        super().__init__()
        self.order = order
        step = 2 / grid
        knots = torch.arange(-order, grid + order + 1) * step - 1
        self.register_buffer("knots", knots, persistent=False)
        self.base = nn.Linear(inputs, outputs, bias=False)
        nn.init.normal_(self.base.weight, std=0.1 * inputs**-0.5)
        # A spline whose values at the nodes' centres are the centres is x itself: so a square layer starts near the identity on
        # [-1, 1]. What a tower that comes with weights says in values beyond it is learned anew.
        self.curves = nn.Parameter(torch.randn(outputs, inputs, grid + order) * 0.01 * inputs**-0.5)
        if inputs == outputs:
            centres = torch.stack([knots[number + 1 : number + order + 1].mean() for number in range(grid + order)])
            with torch.no_grad():
                self.curves += torch.eye(inputs)[:, :, None] * centres

    def splines(self, x: torch.Tensor) -> torch.Tensor:
        """The B-splines at x: one more axis, grid + order long (de Boor's recursion)."""
        x = x.unsqueeze(-1)
        knots = self.knots
        bases = ((x >= knots[:-1]) & (x < knots[1:])).to(x.dtype)
        for degree in range(1, self.order + 1):
            left = (x - knots[: -degree - 1]) / (knots[degree:-1] - knots[: -degree - 1])
            right = (knots[degree + 1 :] - x) / (knots[degree + 1 :] - knots[1:-degree])
            bases = left * bases[..., :-1] + right * bases[..., 1:]
        return bases

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bases = self.splines(x).flatten(-2)
        return self.base(functional.silu(x)) + functional.linear(bases, self.curves.flatten(1))


class Kan(nn.Module):
    """Layers one after another, as wide at the end as at the start."""

    def __init__(self, width: int, settings: VpmSettings) -> None:
        super().__init__()
        widths = [width, *settings.kan_hidden, width]
        self.layers = nn.Sequential(
            *(KanLayer(a, b, settings.kan_grid, settings.kan_order) for a, b in zip(widths[:-1], widths[1:]))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def prompt_parameters(settings: VpmSettings, width: int, layers: int) -> nn.Parameter | None:
    """The prompts, layers x tokens x width."""
    count, tokens = settings.place
    if count == 0 or tokens == 0:
        return None
    if count > layers:
        raise ValueError(f"vpm: prompts in {count} layers, the picture side has {layers}")
    start = (6 / (3 * 16 * 16 + width)) ** 0.5
    return nn.Parameter((torch.rand(count, tokens, width) * 2 - 1) * start)
