"""Scene files: the same for a seed, other ones for others, right as TOML, never of a test's seed."""

import tomllib

import pytest

from sightline_detection.places import FIRST_TEST_SEED, place, write


def test_a_seed_is_a_place_and_its_file_reads_back_as_it_was(tmp_path):
    write(1001, tmp_path / "a.toml")
    assert tomllib.loads((tmp_path / "a.toml").read_text()) == place(1001) == place(1001)
    assert place(1002)["plan"] != place(1001)["plan"]


@pytest.mark.parametrize("seed", range(1, 60))
def test_gates_and_furniture_lie_on_the_plan_and_benches_suffice(seed):
    scene = place(seed)
    width, depth = scene["plan"]["size_m"]
    for thing in scene["gates"] + scene["furniture"]:
        assert 0 <= thing["at"][0] <= width and 0 <= thing["at"][1] <= depth
    benches = sum(piece["kind"] == "bench" for piece in scene["furniture"])
    assert scene["people"]["sitting"] <= benches
    for camera in scene["cameras"]:
        assert 1 <= camera["height_m"] <= 30 and -10 <= camera["pitch_deg"] <= 80


def test_seeds_of_tests_are_refused():
    with pytest.raises(ValueError, match="tests"):
        place(FIRST_TEST_SEED)
