"""Whether the licence that a derived model states can follow from those of the models it was made from.

What the cards say, not legal advice. Pure: `Claim` is what one model states, `judge` compares a model with all its
ancestors. Rules, from the texts of the licences (licences.toml names the clauses):

    a restriction of an ancestor binds its derivatives: conversions, fine-tunes, merges and adapters alike
    share-alike is kept by the same licence, or one that the text declares compatible
    a use-restricted agreement is passed on as it is: another licence in its place loses it
    further restrictions are allowed on top of a permissive licence
    a model without a licence, or with one of unknown terms, proves nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from analysis.licences.licences import Licence, clause_of

Verdict = Literal["consistent", "child asks for more", "contradiction", "can't be told"]
NOT_LEGAL_ADVICE = "what the cards say, not legal advice"
NOT_STORED = "not in the catalog"
"""The source of a claim of a repo that the catalog lacks: what it states is unknown, not nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one model of a chain states. `relation` is how the model below it was made from it."""

    repo_id: str
    licence: Licence | None
    source: str  # card, link, file, tag, name; NOT_STORED where the repo was not read
    stated: str | None = None  # as written
    date: datetime | None = None  # when the repo was last changed, as far as known
    relation: str = "unknown"
    depth: int = 0  # steps up from the model that is judged


@dataclass(frozen=True, slots=True)
class Finding:
    """One ancestor's licence against that of the model. `clause`: where the ancestor's licence says so."""

    verdict: Verdict
    ancestor: str
    reason: str
    clause: str = ""


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """The verdict on a model, the finding that decided, and every finding."""

    verdict: Verdict
    decisive: Finding | None
    findings: tuple[Finding, ...]


ORDER: tuple[Verdict, ...] = ("contradiction", "can't be told", "child asks for more", "consistent")
"""Which finding decides: a contradiction stays one, whatever other links of the chain leave open."""


def judge(child: Claim, ancestors: Sequence[Claim]) -> ChainVerdict:
    """The verdict on a model by the claims of its ancestors, nearest first."""
    findings = tuple(compare(child, each) for each in ancestors)
    if not findings:
        stated = child.licence is not None and child.licence.is_known
        return ChainVerdict("consistent" if stated else "can't be told", None, ())
    decisive = min(findings, key=lambda each: ORDER.index(each.verdict))
    return ChainVerdict(decisive.verdict, decisive, findings)


def compare(child: Claim, ancestor: Claim) -> Finding:
    """The licence of a model against that of one ancestor."""
    above, below = ancestor.licence, child.licence
    if above is None or not above.is_known:
        what = silence(ancestor) if above is None else f"has a licence of unknown terms ({above.id})"
        return Finding("can't be told", ancestor.repo_id, f"{ancestor.repo_id} {what}")
    if below is None:
        return Finding("can't be told", ancestor.repo_id, f"{child.repo_id} states no licence, {demands(ancestor)}")
    if below.id == above.id:
        return Finding("consistent", ancestor.repo_id, f"both {above.identifier}")
    if not below.is_known:
        return Finding("can't be told", ancestor.repo_id, f"the terms of {below.id} are unknown, {demands(ancestor)}")
    lost = lost_restriction(below, above)
    if lost is not None:
        reason = f"{below.identifier} drops what {above.identifier} of {ancestor.repo_id} demands: {lost}"
        return Finding("contradiction", ancestor.repo_id, reason, clause_of(above, clause_names(lost)))
    more = below.restrictions - above.restrictions
    if more:
        reason = f"{below.identifier} adds to {above.identifier}: {', '.join(sorted(more))}"
        return Finding("child asks for more", ancestor.repo_id, reason)
    return Finding("consistent", ancestor.repo_id, f"{below.identifier} keeps what {above.identifier} demands")


def silence(claim: Claim) -> str:
    """Why no licence of a model is known: it states none, or the catalog lacks the model."""
    return f"is {NOT_STORED}" if claim.source == NOT_STORED else "states no licence"


def lost_restriction(below: Licence, above: Licence) -> str | None:
    """The first restriction of an ancestor's licence that a derivative's does not keep; None where it keeps all."""
    if "no-derivatives" in above.restrictions:
        return "no-derivatives"  # there is no licence under which a derivative could be published
    if "non-commercial" in above.restrictions and "non-commercial" not in below.restrictions:
        return "non-commercial"
    if "use-restricted" in above.restrictions and below.family != above.family:
        return "use-restricted"
    if "share-alike" in above.restrictions and below.id not in above.compatible:
        return "share-alike"
    return None


def clause_names(restriction: str) -> tuple[str, ...]:
    """The entries of `clauses` that state a restriction, the best first."""
    return (restriction, "licence text") if restriction == "use-restricted" else (restriction,)


def demands(claim: Claim) -> str:
    """What an ancestor asks of users of the model, in a few words."""
    licence = claim.licence
    if licence is None or not licence.restrictions:
        return f"{claim.repo_id} is {licence.identifier if licence else 'silent'}"
    return f"{claim.repo_id} ({licence.identifier}) is {', '.join(sorted(licence.restrictions))}"


def breaks_naming(repo_id: str, licences: Sequence[Licence]) -> Licence | None:
    """The licence among those of a model and its ancestors whose duty about the name of derivatives it breaks."""
    name = "".join(each for each in repo_id.rpartition("/")[2].lower() if each.isalnum())
    for licence in licences:
        begin = (licence.name_begins or "").lower().replace(" ", "")
        if begin and not name.startswith((begin, f"meta{begin}")):
            return licence
    return None
