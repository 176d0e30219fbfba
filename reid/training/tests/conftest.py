"""What the tests share: the crops that the repository carries."""

from pathlib import Path

import pytest
import torch

CROPS = Path(__file__).parents[3] / "tests/world/crops"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def crops() -> Path:
    return CROPS
