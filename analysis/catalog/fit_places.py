"""Where an artifact runs on a machine, and how fast."""

from __future__ import annotations

from typing import Literal

from analysis.catalog.fit_candidates import Candidate
from analysis.catalog.fit_request import FitRequest
from analysis.fit.machines import Machine
from analysis.fit.speed import Kind, Speed, active_bytes

Place = Literal["gpu", "gpu+cpu", "cpu"]


def place_on_devices(needs: int, machine: Machine) -> Place | None:
    """Where it runs: on the GPU if it fits there, else on GPU and CPU, or on the CPU; None if it does not fit."""
    if machine.vram and needs <= machine.vram_for_models:
        return "gpu"
    if machine.vram and machine.ram and needs <= machine.vram_for_models + machine.ram_for_models:
        return "gpu+cpu"
    return "cpu" if machine.ram and not machine.vram and needs <= machine.ram_for_models else None


def room_at(place: Place, machine: Machine) -> int:
    """Bytes for models where it runs."""
    gpu = 0 if place == "cpu" else machine.vram_for_models
    return gpu + (0 if place == "gpu" else machine.ram_for_models)


def share_on_card(needs: int, machine: Machine, place: Place) -> float:
    return {"gpu": 1.0, "cpu": 0.0, "gpu+cpu": min(1.0, machine.vram_for_models / max(1, needs))}[place]


def is_usable(speed: Speed | None, request: FitRequest) -> bool | None:
    """Whether it is as fast as was asked for; None where the speed is unknown."""
    return None if speed is None else speed.expected >= request.min_speed


def estimate_speed(candidate: Candidate, needs: int, machine: Machine, place: Place, cache: int) -> Speed | None:
    """The speed; None for a mixture of experts whose active parameters are unknown."""
    if candidate.mixture and not candidate.active_parameters:
        return None
    read = active_bytes(candidate.total_size, parameters=candidate.parameters, active=candidate.active_parameters)
    kind: Kind = "moe" if candidate.mixture else "dense"
    return speed_at(read, kind, candidate.format, share_on_card(needs, machine, place), machine, cache)


def speed_at(read: float, kind: Kind, format_: str | None, on_card: float, machine: Machine, cache: int = 0) -> Speed:
    """The speed of a model of which a token reads these bytes, of which this share lies on the card."""
    return machine.estimate_speed(
        read * on_card,
        read * (1 - on_card),
        kind=kind,
        engine={"mlx": "mlx", "gguf": "llama.cpp"}.get(format_ or "", "vllm" if machine.vram else "llama.cpp"),
        cache_bytes=cache,
    )


def most_read_bytes(
    least: int, most: int, kind: Kind, format_: str | None, machine: Machine, request: FitRequest
) -> float:
    """A bound of what a token of a model that needs `least` to `most` bytes may read, to be as fast as was asked for.

    The time is a linear function of the bytes, and of the share on the card between those of the two needs.
    """
    bound = 0.0
    for needs in (least, most):
        place = place_on_devices(needs, machine) or place_on_devices(least, machine)
        if place is None:
            continue
        on_card = share_on_card(needs, machine, place)
        one, two = (1 / speed_at(read, kind, format_, on_card, machine).expected for read in (1e9, 2e9))
        if not request.min_speed:
            return float("inf")
        bound = max(bound, (1 / request.min_speed - (2 * one - two)) / (two - one) * 1e9)
    return MARGIN * bound


MARGIN = 1.01
"""Of a bound that floating-point arithmetic rounds."""
