"""Machines: presets, and the memory that the system leaves for models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.errors import UnknownPreset
from analysis.fit.machines import Machine, find_preset, presets
from analysis.units import GB, GIB


def test_the_system_keeps_a_share_of_the_memory() -> None:
    assert Machine(ram=16 * GB).ram_for_models == pytest.approx(13.33 * GB, rel=0.001)
    assert Machine(ram=4 * GB).ram_for_models == 3 * GB
    assert Machine(ram=128 * GB).ram_for_models == 124 * GB
    assert Machine(vram=24 * GB).vram_for_models == 23 * GB and Machine().ram_for_models == 0
    assert Machine(vram=48 * GB, cards=2).vram_for_models == 46 * GB, "each card has a driver"


def test_apples_gpu_may_use_two_thirds_or_three_quarters_of_the_memory() -> None:
    mac = Machine(apple=True, unified=True)
    assert replace(mac, ram=16 * GB).ram_for_models == pytest.approx(10.67 * GB, rel=0.001)
    assert replace(mac, ram=64 * GB).ram_for_models == 48 * GB
    assert replace(mac, ram=8 * GB).ram_for_models == pytest.approx(5.33 * GB, rel=0.001)


def test_presets_have_a_bandwidth() -> None:
    for name, machine in presets().items():
        assert (machine.ram and machine.ram_bandwidth) or (machine.vram and machine.vram_bandwidth), name
        assert machine.assumed == (), name
    assert find_preset("MacBook M4 16GB") == find_preset("macbook-m4-16gb") and find_preset("macbook-m4-16gb").apple
    assert find_preset("macbook-m4-max-128gb").ram_bandwidth == 546 * GB


def test_a_cards_name_is_a_machine() -> None:
    one, two = find_preset("RTX 4090"), find_preset("2x RTX 3090")
    assert (one.vram, one.vram_bandwidth, one.cards) == (24 * GIB, 1008 * GB, 1)
    assert (two.vram, two.vram_bandwidth, two.cards) == (48 * GIB, 936.2 * GB, 2)
    mac = find_preset("M3 Max 36GB")
    assert (mac.ram, mac.ram_bandwidth, mac.apple) == (36 * GB, 300 * GB, True)


def test_an_unknown_name_is_refused_with_similar_ones() -> None:
    with pytest.raises(UnknownPreset) as caught:
        find_preset("rtx-4091")
    assert {"rtx-4090-24gb", "RTX 4090"} <= set(caught.value.close)


def test_the_times_to_read_each_memory_add_up() -> None:
    machine = Machine(ram=16 * GB, vram=8 * GB, ram_bandwidth=50 * GB, vram_bandwidth=500 * GB)
    assert machine.speed(5 * GB, 0) == 100 and machine.speed(0, 5 * GB) == 10
    assert machine.speed(5 * GB, 5 * GB) == pytest.approx(1 / 0.11)
    assert replace(machine, vram_bandwidth=None).assumed == ("270 GB/s for VRAM",)


def test_unified_memory_is_read_by_the_gpu() -> None:
    mac = Machine(ram=64 * GB, ram_bandwidth=400 * GB, unified=True, apple=True, maker="apple")
    assert mac.estimate_speed(0, 8 * GB) == mac.estimate_speed(8 * GB, 0)
    assert mac.estimate_speed(0, 8 * GB).bound == 50
