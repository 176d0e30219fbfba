"""What the tests share: the crops that the repository carries, and short trainings of the published systems, exported."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from smoke import SYSTEMS, run_of, small

from sightline_training.dataset import read_any
from sightline_training.family_data import Crops
from sightline_training.family_export import export_family
from sightline_training.runner import train

# A folder with both sides of an export, and what was held against PyTorch.
Made = tuple[Path, dict[str, str]]
CROPS = Path(__file__).parents[3] / "tests/world/crops"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def crops() -> Path:
    return CROPS


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each system after a short training, its log beside it."""
    torch.set_num_threads(1)
    folders = {}
    for system in SYSTEMS:
        folders[system] = tmp_path_factory.mktemp(system)
        train(run_of(system, CROPS), folders[system])
    return folders


@pytest.fixture(scope="session")
def exported(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Made]:
    """Gives a trained system in one form; each is made once, so nothing may be written into its folder."""
    made: dict[tuple[str, str], Made] = {}

    def export(system: str, form: str) -> Made:
        if (system, form) not in made:
            folder = tmp_path_factory.mktemp(f"{system}-{form}")
            crops = Crops(read_any(CROPS), small(system))
            samples = crops.plain(crops.firsts[::3]).pictures
            said = ({"note": "a test"}, "Apache-2.0", "a few crops")
            made[system, form] = folder, export_family(trained[system] / "last.pt", folder, form, form, samples, *said)
        return made[system, form]

    return export
