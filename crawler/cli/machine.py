"""The machine that an answer is for: what the options describe, else that of config.toml."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from crawler.cli.options import LAPTOP_RAM_BYTES

if TYPE_CHECKING:
    from analysis.fit.machines import Machine


def machine_of(
    ram: int | None, vram: int | None, bandwidth: int | None, this_machine: bool, preset: str | None
) -> Machine:
    """The machine that the options describe, else that of config.toml; given values override detected ones."""
    from analysis.fit.detect import detect_machine
    from analysis.fit.machines import Machine, find_preset
    from crawler.cli.user_config import user_config

    if ram is None and vram is None and not this_machine:
        preset = preset or user_config().machine
    machine = find_preset(preset) if preset else detect_machine() if this_machine else Machine()
    if ram is not None:
        machine = replace(machine, ram=ram)
    if vram is not None:
        machine = replace(machine, vram=vram)
    if bandwidth is not None:
        fast = machine.vram is not None  # it is the faster memory's
        machine = replace(machine, vram_bandwidth=bandwidth) if fast else replace(machine, ram_bandwidth=bandwidth)
    if not machine.ram and not machine.vram and preset:
        raise click.UsageError(
            f"{preset} comes with different amounts of memory: add this one's, as in --preset {preset!r} --ram 16GB",
            click.get_current_context(),
        )
    if not machine.ram and not machine.vram:
        raise click.UsageError(
            "no memory given: --ram 16GB, --vram 8GB, --this-machine or --preset NAME", click.get_current_context()
        )
    return machine


def machine_or_laptop(this_machine: bool, preset: str | None) -> Machine:
    """The machine of the options, else that of config.toml, else a laptop of 16 GB."""
    from analysis.fit.machines import Machine
    from crawler.cli.user_config import user_config

    if this_machine or preset or user_config().machine:
        return machine_of(None, None, None, this_machine, preset)
    return Machine(ram=LAPTOP_RAM_BYTES, title="a laptop")
