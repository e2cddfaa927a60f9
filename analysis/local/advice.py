"""What would be better than a local file: the fixed upload, a quantization that this machine runs with less loss, the
same quality in fewer bytes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import Fit, find_fits
from analysis.fit.machines import Machine
from analysis.local.verdict import Advice, Identity
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values
from analysis.units import size_text

MAX_ADVISED = 40
"""Models for which other quantizations are looked for, the largest first."""

MAX_SIBLINGS = 400
"""Repos of other quantizations that are compared."""

MIN_BETTER = 0.8
"""Share of the loss, or of the bytes, that an advised file has at most: less is no reason to download."""

_SIBLINGS = """
select r.repo_id from repos r join repo_labels l on l.repo = r.id
where lower(l.base_model) in ({bases}) and l.base_model_relation = 'quantized' and r.status = 'available'
order by r.downloads desc nulls last, r.repo_id limit :most"""


def advise(reader: CatalogReader, machine: Machine, identities: Sequence[Identity]) -> list[Identity]:
    """The identities with advice. Of one base model and format only the local file with least loss may be improved."""
    alternatives = Alternatives.find(reader, machine, identities)
    best = alternatives.find_best(identities)
    found = []
    for each in identities:
        other = alternatives.advise(each, may_improve=each in best) if is_own_model(each) else []
        found.append(replace(each, advice=(*advise_update(each), *other)))
    return found


def advise_update(identity: Identity) -> list[Advice]:
    """The command that gets what replaced an outdated or renamed file."""
    verdict = identity.verdict
    if verdict.repo is None or not verdict.repo.is_there:
        return []
    if verdict.state == "outdated" and verdict.replacement is not None:
        size = f", {size_text(verdict.replacement.size)}" if verdict.replacement.size else ""
        return [
            Advice("update", f"get the newer upload{size}", download(verdict.repo.repo_id, verdict.replacement.paths))
        ]
    return []


def download(repo_id: str, paths: Sequence[str]) -> str:
    """The command that downloads files of a repo."""
    return shlex.join(["hf", "download", repo_id, *paths])


# ---- other quantizations --------------------------------------------------------------------------------------------


def is_own_model(identity: Identity) -> bool:
    """Whether it is a model that other quantizations can replace."""
    return identity.artifact.role == "weights" and identity.verdict.repo is not None


def base_of(identity: Identity) -> str:
    """The model that the file is a quantization of, in lower case; of a file that is none, its own repo."""
    repo = identity.verdict.repo
    if repo is None:
        return ""
    return (repo.base_model if repo.base_model and repo.base_model_relation == "quantized" else repo.repo_id).lower()


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What runs on the machine of the base models of local files, by base model in lower case, best first."""

    machine: Machine
    fits: Mapping[str, Sequence[Fit]]
    here: frozenset[tuple[str, str | None]]  # repo and file of what is on this machine already

    @classmethod
    def find(cls, reader: CatalogReader, machine: Machine, identities: Sequence[Identity]) -> Alternatives:
        """For at most MAX_ADVISED models, the largest first."""
        weights = sorted(filter(is_own_model, identities), key=lambda each: -each.artifact.size)
        here = frozenset((repo.repo_id, each.verdict.file) for each in weights if (repo := each.verdict.repo))
        bases = list(dict.fromkeys(map(base_of, weights)))[:MAX_ADVISED]
        if not bases or not (machine.ram or machine.vram):
            return cls(machine, {}, here)
        listed, values = name_values("base", bases)
        rows = reader.all(_SIBLINGS.format(bases=listed), {**values, "most": MAX_SIBLINGS})
        own = [each.verdict.repo.repo_id for each in weights if each.verdict.repo and base_of(each) in bases]
        repo_ids = tuple(dict.fromkeys([*own, *(row["repo_id"] for row in rows)]))
        fits: dict[str, list[Fit]] = {}
        for fit in find_fits(reader, machine, FitRequest(repo_ids=repo_ids, every_artifact=True)).fits:
            if fit.is_usable is not False:
                fits.setdefault(fit.base_model.lower(), []).append(fit)
        return cls(machine, fits, here)

    def own_fit(self, identity: Identity) -> Fit | None:
        """What the local file itself needs on this machine; None where it does not run."""
        repo = identity.verdict.repo
        wanted = (repo.repo_id if repo else "", identity.verdict.file)
        return next(
            (fit for fit in self.fits.get(base_of(identity), ()) if (fit.repo_id, fit.artifact) == wanted), None
        )

    def find_best(self, identities: Sequence[Identity]) -> list[Identity]:
        """Of each base model and format the local file with least loss."""
        best: dict[tuple[str, str | None], tuple[float, Identity]] = {}
        for each in identities:
            own = self.own_fit(each)
            key = (base_of(each), own.format if own else None)
            if own is not None and (key not in best or loss_of(own) < best[key][0]):
                best[key] = loss_of(own), each
        return [identity for _, identity in best.values()]

    def advise(self, identity: Identity, *, may_improve: bool) -> list[Advice]:
        """One that runs where the local file does not, one with less loss, one of no more loss in fewer bytes.

        Files of another format are none: another program would be needed. Nor is what is on the disk already.
        """
        own, size = self.own_fit(identity), identity.artifact.size
        others = [fit for fit in self.fits.get(base_of(identity), ()) if (fit.repo_id, fit.artifact) not in self.here]
        if own is None:
            fitting = [fit for fit in others if fit.format == identity.artifact.format]
            if not fitting or size <= self.machine.ram_for_models + self.machine.vram_for_models:
                return []
            return [advice_for("fit", min(fitting, key=loss_of), "the local file does not fit this machine")]
        others = [fit for fit in others if fit.artifact and fit.format == own.format]
        found = []
        better = [fit for fit in others if loss_of(fit) <= loss_of(own) * MIN_BETTER]
        if better and may_improve and loss_of(own) > 0:
            best = min(better, key=lambda fit: (loss_of(fit), fit.total_size))
            found.append(advice_for("quality", best, "less quality loss, and it runs on this machine"))
        smaller = [fit for fit in others if loss_of(fit) <= loss_of(own) and fit.total_size <= size * MIN_BETTER]
        if smaller:
            least = min(smaller, key=lambda fit: (fit.total_size, loss_of(fit)))
            found.append(advice_for("size", least, f"no more loss in {size_text(size - least.total_size)} less"))
        return found


def loss_of(fit: Fit) -> float:
    """What quantization costs, in the points of the ranking of `fits`: 0 for none."""
    return -fit.score.quality_loss


def advice_for(kind: Literal["quality", "size", "fit"], fit: Fit, why: str) -> Advice:
    text = f"{fit.quant} of {fit.repo_id}, {size_text(fit.total_size)}: {why}"
    return Advice(kind, text, download(fit.repo_id, [fit.artifact or ""]))
