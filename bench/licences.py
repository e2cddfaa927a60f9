"""Verdicts on licence chains against those of the authors of a study of 2024.

    python -m bench.licences CHAINS.jsonl.gz

Each line is {"tags": [...], "chain": [[model, licence...], ...]}, the foundation first. The rows are of the replication
package TStalnaker44/hugging_face_analysis_replication (arXiv 2502.04484), Hub listing of July 2024. Compared are the
questions that both answer: does the licence change on the way, does a link state none, is a Llama licence lost, does a
name break the duty of the licence about names. Precision and recall count chains; the last figures are in
docs/audit.md.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.catalog.licence_chain import add_foundations
from analysis.licences.licences import find_licence
from analysis.licences.verdict import ChainVerdict, Claim, breaks_naming, judge

UNKNOWN = "UNKNOWN"
LLAMA = "llama"


@dataclass(frozen=True, slots=True)
class JudgedChain:
    """The claims from the model up to its foundation, with the foundation's own where its name tells, and the verdicts
    on each model of the chain, the last one first."""

    claims: tuple[Claim, ...]
    ancestors: tuple[Claim, ...]
    verdicts: tuple[ChainVerdict, ...]


def judge_chain(chain: Sequence[Sequence[str]]) -> JudgedChain:
    """The claims and verdicts of one row."""
    claims = [
        Claim(model, find_licence(None if stated[0] == UNKNOWN else stated[0]), "card", depth=depth)
        for depth, (model, *stated) in enumerate(reversed(chain))
    ]
    ancestors = [*claims[1:], *add_foundations(claims)]
    verdicts = [judge(claim, ancestors[at:]) for at, claim in enumerate(claims)]
    return JudgedChain(tuple(claims), tuple(ancestors), tuple(verdicts))


def changes(judged: JudgedChain) -> bool:
    """Whether two links state different licences; stating none differs from stating one."""
    return len({claim.licence.id if claim.licence else None for claim in judged.claims}) > 1


def states_none(judged: JudgedChain) -> bool:
    return any(claim.licence is None for claim in judged.claims)


def ends_without(judged: JudgedChain) -> bool:
    return judged.claims[0].licence is None


def loses_llama(judged: JudgedChain) -> bool:
    """Whether a model made from Llama does not state a licence of Llama's."""
    held = {claim.repo_id: claim.licence for claim in judged.ancestors}
    llama = {name for name, licence in held.items() if licence is not None and licence.family == LLAMA}
    return any(
        finding.ancestor in llama and (claim.licence is None or claim.licence.family != LLAMA)
        for claim, verdict in zip(judged.claims, judged.verdicts, strict=True)
        for finding in verdict.findings
    )


def breaks_name(judged: JudgedChain) -> bool:
    """Whether the last model states a licence whose duty about names its name breaks."""
    licence = judged.claims[0].licence
    return licence is not None and breaks_naming(judged.claims[0].repo_id, [licence]) is not None


QUESTIONS: Mapping[str, tuple[Callable[[JudgedChain], bool], frozenset[str]]] = {
    "the licence changes": (changes, frozenset({"license_change"})),
    "a link states none": (states_none, frozenset({"unknown_license"})),
    "the model states none": (ends_without, frozenset({"ends_with_unknown_license"})),
    "a Llama licence is lost": (loses_llama, frozenset({"undeclared_llama_dependency", "missing_llama_license"})),
    "the name breaks a duty": (breaks_name, frozenset({"llama_naming_issue"})),
}
"""Question -> our answer, and the tags any of which means yes."""


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            yield json.loads(line)


def compare(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Counter[str]], Counter[str]]:
    """Question -> how often both, only we, only they say yes, or nobody; and how often each verdict is given."""
    found: dict[str, Counter[str]] = {name: Counter() for name in QUESTIONS}
    verdicts: Counter[str] = Counter()
    for row in rows:
        judged = judge_chain(row["chain"])
        verdicts[judged.verdicts[0].verdict] += 1
        for name, (answer, tags) in QUESTIONS.items():
            ours, theirs = answer(judged), not tags.isdisjoint(row["tags"])
            found[name]["both" if ours and theirs else "ours" if ours else "theirs" if theirs else "none"] += 1
    return found, verdicts


def main(path: Path) -> None:
    found, verdicts = compare(read_rows(path))
    print("| question | chains | precision | recall |\n|---|---:|---:|---:|")
    for name, counts in found.items():
        both = counts["both"]
        yes, ours = both + counts["theirs"], both + counts["ours"]
        print(f"| {name} | {yes} | {both / ours if ours else 0:.3f} | {both / yes if yes else 0:.3f} |")
    print("\n" + "; ".join(f"{name}: {count}" for name, count in verdicts.most_common()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
