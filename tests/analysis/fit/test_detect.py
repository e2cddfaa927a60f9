"""What the tools of systems and drivers print, and the machine that follows from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.fit import detect
from analysis.fit.detect import (
    ReportedCard,
    add_reported_cards,
    detect_machine,
    detect_ram,
    parse_apple_cores,
    parse_nvidia_smi,
    parse_rocm_smi,
    parse_windows_cards,
    read_drm_cards,
    read_processor_name,
)
from analysis.fit.machines import Machine
from analysis.units import GB, GIB, MIB


def test_cards_are_parsed_from_nvidia_smi() -> None:
    cards = parse_nvidia_smi("NVIDIA GeForce RTX 4090, 24564\n")
    assert cards == [ReportedCard("NVIDIA GeForce RTX 4090", 24564 * MIB, "nvidia-smi")]
    machine = add_reported_cards(Machine(), cards)
    assert (machine.vram, machine.vram_bandwidth, machine.maker) == (24564 * MIB, 1008 * GB, "nvidia")
    assert machine.found == ("NVIDIA GeForce RTX 4090, 25.8 GB, 1,008 GB/s by its name (nvidia-smi)",)
    assert parse_nvidia_smi("NVIDIA-SMI has failed") == []


def test_a_model_passes_through_several_cards_one_after_the_other() -> None:
    """24 GiB at 936.2 GB/s and 12 GiB at 360: 36 GiB in the sum of both times."""
    machine = add_reported_cards(
        Machine(), parse_nvidia_smi("NVIDIA GeForce RTX 3090, 24576\nNVIDIA GeForce RTX 3060, 12288\n")
    )
    assert machine.cards == 2 and machine.vram == 36 * GIB
    assert machine.vram_bandwidth == pytest.approx(36 / (24 / 936.2 + 12 / 360) * GB)
    assert machine.vram_for_models == 36 * GIB - 36 * GIB // 20


def test_an_unknown_card_has_memory_and_no_bandwidth() -> None:
    machine = add_reported_cards(Machine(), parse_nvidia_smi("NVIDIA Unheard 9, 8192"))
    assert machine.vram == 8 * GIB and machine.vram_bandwidth is None
    assert machine.guessed == ("the bandwidth of NVIDIA Unheard 9, which is not known",)
    assert "270 GB/s for VRAM" in machine.assumed


def test_a_chip_that_shares_the_computers_memory_has_no_vram() -> None:
    machine = add_reported_cards(Machine(ram=128 * GB), parse_nvidia_smi("NVIDIA GB10, [N/A]\n"))
    assert machine.unified and machine.vram is None and machine.ram_bandwidth == 273 * GB and machine.maker == "gb10"


def test_cards_are_parsed_from_rocm_smi() -> None:
    text = json.dumps({
        "card0": {"Card Series": "AMD Radeon RX 7900 XTX", "VRAM Total Memory (B)": "25753026560"},
        "card1": {"Card series": "AMD Radeon RX 7900 XTX", "VRAM Total Memory (B)": "25753026560"},
        "system": {"Driver version": "6.8"},
    })  # fmt: skip
    machine = add_reported_cards(Machine(), parse_rocm_smi(text))
    assert (machine.cards, machine.vram, machine.vram_bandwidth) == (2, 2 * 25753026560, 960 * GB)
    assert parse_rocm_smi("WARNING: no card") == parse_rocm_smi("[]") == []


def test_amds_driver_states_memory_without_a_name(tmp_path: Path) -> None:
    for card, size in (("card0", 16 * GIB), ("card1", 512 * MIB)):
        (tmp_path / card / "device").mkdir(parents=True)
        (tmp_path / card / "device" / "mem_info_vram_total").write_text(f"{size}\n")
    assert read_drm_cards(tmp_path) == [ReportedCard("AMD card", 16 * GIB, "amdgpu")], "512 MiB: within a processor"


def test_system_profiler_states_the_gpus_cores() -> None:
    text = '{"SPDisplaysDataType": [{"sppci_model": "Apple M3 Max", "sppci_cores": "30"}]}'
    assert parse_apple_cores(text) == 30 and parse_apple_cores("") is None and parse_apple_cores("{") is None


def test_windows_names_cards_without_their_memory() -> None:
    cards = parse_windows_cards("NVIDIA GeForce RTX 4070 Laptop GPU\r\nIntel(R) UHD Graphics\r\n")
    machine = add_reported_cards(Machine(), cards)
    assert (machine.vram, machine.vram_bandwidth) == (8 * GIB, 256 * GB)


def test_an_apple_computer_is_described_by_its_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"sysctl": "Apple M3 Max\n", "system_profiler": '{"a": [{"sppci_cores": "30"}]}'}
    monkeypatch.setattr(detect, "run_tool", lambda command: answers.get(command[0], ""))
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(detect, "detect_ram", lambda: (36 * GIB, "the system"))
    machine = detect_machine()
    assert machine.apple and machine.unified and machine.ram_bandwidth == 300 * GB and machine.assumed == ()
    assert machine.found == ("38.7 GB RAM (the system)", "M3 Max, 300 GB/s by its name (sysctl, system_profiler)")


def test_the_processors_name_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nmodel name\t: AMD RYZEN AI MAX+ 395 w/ Radeon 8060S\n")
    assert read_processor_name(path) == "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S"
    assert read_processor_name(tmp_path / "none") == ""


def test_this_machine_is_detected() -> None:
    machine = detect_machine()
    assert (machine.ram,) == detect_ram()[:1] and machine.ram and machine.ram > 10**8
    assert machine.found[0].endswith(f"({detect_ram()[1]})")
