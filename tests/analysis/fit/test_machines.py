"""Machines: presets, detection, and the memory that the system leaves for models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.errors import UnknownPreset
from analysis.fit.machines import (
    GB,
    Machine,
    detect_machine,
    detect_ram,
    find_bandwidth,
    find_preset,
    parse_nvidia_smi,
    presets,
)


def test_the_system_keeps_a_share_of_the_memory() -> None:
    assert Machine(ram=16 * GB).ram_for_models == pytest.approx(13.33 * GB, rel=0.001)
    assert Machine(ram=4 * GB).ram_for_models == 3 * GB
    assert Machine(ram=128 * GB).ram_for_models == 124 * GB
    assert Machine(vram=24 * GB).vram_for_models == 23 * GB and Machine().ram_for_models == 0


def test_presets_have_a_bandwidth() -> None:
    for name, machine in presets().items():
        assert (machine.ram and machine.ram_bandwidth) or (machine.vram and machine.vram_bandwidth), name
    assert find_preset("MacBook M4 16GB") == find_preset("macbook-m4-16gb") and find_preset("macbook-m4-16gb").apple
    with pytest.raises(UnknownPreset) as caught:
        find_preset("rtx-4090")
    assert "rtx-4090-24gb" in caught.value.close


def test_cards_are_parsed_from_nvidia_smi() -> None:
    one = parse_nvidia_smi("NVIDIA GeForce RTX 4090, 24564\n")
    assert one == {"vram": 24564 * 2**20, "vram_bandwidth": 1008 * GB}
    two = parse_nvidia_smi("NVIDIA GeForce RTX 3090, 24576\nNVIDIA GeForce RTX 3060, 12288\n")
    assert two == {"vram": 36864 * 2**20, "vram_bandwidth": 360 * GB}, "the slower card limits the bandwidth"
    assert parse_nvidia_smi("Unknown Card, 8192")["vram_bandwidth"] is None
    assert parse_nvidia_smi("NVIDIA-SMI has failed") == {}
    assert find_bandwidth("Apple M3 Max") == 400 * GB and find_bandwidth("Apple M3") == 100 * GB


def test_this_machine_is_detected() -> None:
    machine = detect_machine()
    assert machine.ram == detect_ram() and machine.ram and machine.ram > 10**8


def test_the_times_to_read_each_memory_add_up() -> None:
    machine = Machine(ram=16 * GB, vram=8 * GB, ram_bandwidth=50 * GB, vram_bandwidth=500 * GB)
    assert machine.speed(5 * GB, 0) == 100 and machine.speed(0, 5 * GB) == 10
    assert machine.speed(5 * GB, 5 * GB) == pytest.approx(1 / 0.11)
    assert replace(machine, vram_bandwidth=None).assumed == ("270 GB/s for VRAM",)
