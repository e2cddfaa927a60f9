"""Cards and chips by the names that drivers report and people type."""

from __future__ import annotations

import pytest

from analysis.fit.cards import card_table, find_bandwidth, find_card, parse_card_name, similar_cards
from analysis.units import GB, GIB

REPORTED = {  # by nvidia-smi, rocm-smi, sysctl, Windows and llama.cpp -> GB per second by the maker's data sheet
    "NVIDIA GeForce RTX 3060": 360, "NVIDIA GeForce RTX 3060 Ti": 448, "NVIDIA GeForce RTX 3060 Laptop GPU": 336,
    "NVIDIA GeForce RTX 4070 Ti SUPER": 672, "NVIDIA GeForce RTX 4070 Ti": 504.2,
    "NVIDIA GeForce RTX 4080 SUPER": 736.3,
    "NVIDIA GeForce RTX 5090 Laptop GPU": 896, "NVIDIA GeForce GTX 1660 SUPER": 336,
    "GeForce RTX 2080 with Max-Q Design": 384, "NVIDIA L4": 300, "NVIDIA L40": 864, "NVIDIA L40S": 864,
    "NVIDIA A100-SXM4-40GB": 1555, "NVIDIA A100-SXM4-80GB": 2039, "NVIDIA A100 80GB PCIe": 1935,
    "NVIDIA H100 80GB HBM3": 3350, "NVIDIA H100 PCIe": 2000, "NVIDIA H100 NVL": 3900, "NVIDIA GH200 480GB": 4000,
    "NVIDIA RTX 6000 Ada Generation": 960, "Quadro RTX 6000": 672, "NVIDIA RTX A6000": 768,
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition": 1792, "NVIDIA RTX 4000 SFF Ada Generation": 280,
    "Tesla V100-SXM2-32GB": 900, "Tesla T4": 320, "NVIDIA GB10": 273, "AMD Radeon RX 7900 XT": 800,
    "AMD Radeon RX 7900 XTX": 960, "AMD Radeon RX 7600M XT": 288, "AMD Instinct MI300X": 5300,
    "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S": 256, "Intel(R) Arc(TM) A770 Graphics": 560,
    "Snapdragon(R) X Elite - X1E80100 - Qualcomm(R) Oryon(TM) CPU": 135, "Apple M1": 68.25, "Apple M4 Pro": 273,
    "Apple M3 Max 10P+4E+30GPU": 300, "Apple M3 Max 12P+4E+40GPU": 400, "Apple M4 Max 10P+4E+32GPU": 410,
}  # fmt: skip

TYPED = {
    "4090": 1008, "rtx4090": 1008, "3060ti": 448, "RTX 3080 12GB": 912.4, "3080": 760.3, "7900xtx": 960, "a6000": 768,
    "4060 laptop": 256, "RTX 4060M": 256, "MacBook Pro M3 Max 36GB": 300, "M4 Max 16-core CPU 40-core GPU": 546,
    "M3 Max 30-core": 300, "M3 Max 14-core": 300, "2x RTX 3090": 936.2, "DGX Spark": 273, "strix halo": 256,
    "B580": 456,
    "MSI GeForce RTX 3090 Suprim X": 936.2, "P40": 346, "RTX 3060 8GB": 240,
}  # fmt: skip


@pytest.mark.parametrize(("name", "gigabytes"), (REPORTED | TYPED).items())
def test_a_name_finds_its_own_card(name: str, gigabytes: float) -> None:
    assert find_bandwidth(name) == round(gigabytes * GB)


@pytest.mark.parametrize(
    "name",
    [
        "RTX 4090 Ultra",  # no such card; RTX 4090 is another
        "RTX 5000",  # Quadro, Ada or Blackwell
        "RTX 6000",
        "GTX 4090",
        "L41",
        "NVIDIA A100-SXM-64GB",  # a memory that neither A100 has
        "AMD Radeon Graphics",
        "Radeon 780M",  # uses the computer's memory, whose speed it does not tell
        "Apple M3 Max 50-core GPU",
        "GeForce",
        "M",
        "",
        "x" * 10_000,
    ],
)
def test_a_name_of_no_card_or_of_several_is_unknown(name: str) -> None:
    assert find_card(name) is None


def test_the_memory_that_a_driver_reports_tells_cards_of_one_name_apart() -> None:
    assert find_bandwidth("NVIDIA GeForce RTX 3080", 12288 * 2**20) == 912.4 * GB
    assert find_bandwidth("NVIDIA GeForce RTX 3080", 10240 * 2**20) == 760.3 * GB
    assert find_bandwidth("Apple M3 Max", 36 * GIB) == 300 * GB and find_bandwidth("Apple M3 Max", 48 * GIB) == 400 * GB


def test_what_a_name_leaves_open_is_said() -> None:
    card = find_card("Apple M3 Max")
    assert card is not None and card.assumed == "the 40-core GPU" and card.unified


def test_a_card_whose_memory_was_exchanged_keeps_its_bandwidth() -> None:
    card = find_card("RTX 4090 48GB")
    assert card is not None and (card.memory, card.bandwidth) == (48 * GIB, 1008 * GB)


@pytest.mark.parametrize("name", [entry.name for entry in card_table()])
def test_every_card_is_found_by_its_own_name(name: str) -> None:
    card = find_card(name)
    assert card is not None and card.name == name and card.bandwidth > 10 * GB


def test_no_card_is_listed_twice() -> None:
    words = [(entry.words, entry.maker) for entry in card_table()]
    assert len(words) == len(set(words)) > 250


def test_numbers_of_memory_and_cores_are_no_words() -> None:
    named = parse_card_name("Apple M4 Max (16-core CPU, 40-core GPU), 64 GB")
    assert named.words == {"m", "4", "max"} and (named.cpu_cores, named.gpu_cores, named.gigabytes) == (16, 40, 64)


def test_similar_cards_are_proposed() -> None:
    assert "RTX 4090" in similar_cards("rtx 4091")
