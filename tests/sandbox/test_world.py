"""The simulator itself: deterministic, of the size asked for, and readable by the public way in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from meterstone.errors import InputError
from meterstone.sandbox.network import PRESETS, preset, simulate
from meterstone.sandbox.network.world import World

from .conftest import Networks


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    chosen = preset("honest", shops=12, months=6)
    simulate(chosen, tmp_path / "a")
    simulate(chosen, tmp_path / "b")
    simulate(preset("honest", shops=12, months=6, seed=2), tmp_path / "c")
    assert _hash(tmp_path / "a") == _hash(tmp_path / "b") != _hash(tmp_path / "c")


@pytest.mark.parametrize("shops", [1, 7, 300, 2000])
def test_any_number_of_shops(shops: int) -> None:
    world = World(preset("honest", shops=shops, months=24))
    assert len(world.shops) == shops
    assert len({shop.id for shop in world.shops}) == shops
    assert all(world.start <= m < world.end for m in world.months)


def test_the_large_network_is_what_its_targets_need() -> None:
    world = World(PRESETS["thriving"])
    year_ago = world.end.replace(year=world.end.year - 1)
    active = len(world.active_shops(world.end))
    assert active >= 1.4 * len(world.active_shops(year_ago))
    assert sum(i.live is not None for i in world.integrations) >= 50
    assert len({shop.region for shop in world.active_shops(world.end)}) == 51


@pytest.mark.parametrize(
    ("name", "options"),
    [("honst", {}), ("honest", {"shops": 0}), ("quiet", {"shops": 3}), ("honest", {"months": 1})],
)
def test_what_cannot_be_simulated_is_refused(name: str, options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="mend"):
        preset(name, **options)  # type: ignore[arg-type]  # options by name


def test_everything_simulated_is_accepted(network: Networks) -> None:
    assert network("honest").quarantined == 0
