"""What the vocabulary covers: the share of names with a family, and the most frequent words that no rule knows.

    python -m bench.coverage FILE [--least 50] [--words 40] [--markdown]

FILE holds one repo id per line, plain or gzipped. Words are listed by the number of accounts that use them, since one
account's series of runs says little. `--markdown` prints the table of docs/vocabulary.md.

Last figures (170,264 repo ids of the Hub):
  family 67.0%, size 52.7%, version 25.7%, tuning 29.0%, specialty 39.1%, format 10.7%, quant 8.3%
  60 unclaimed words occur in 50 names or more; docs/vocabulary.md lists them and why they stay so
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from analysis.errors import InvalidName
from analysis.names import parse_name
from bench.names import names_of

LABELS = ("family", "size", "version", "tuning", "specialty", "format", "quant")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that no rule claims: how many names hold it, of how many accounts, and one of them."""

    text: str
    names: int
    owners: int
    example: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Names read, how many state each label, and the unclaimed words, the most frequent first."""

    names: int
    stated: dict[str, int]
    words: tuple[Word, ...]


def measure_coverage(names: Iterable[str]) -> Coverage:
    """The coverage of some repo ids; lines that are no name are left out."""
    count, stated = 0, dict.fromkeys(LABELS, 0)
    uses: Counter[str] = Counter()
    owners: defaultdict[str, set[str]] = defaultdict(set)
    examples: dict[str, str] = {}
    for name in names:
        try:
            found = parse_name(name)
        except InvalidName:
            continue
        count += 1
        for label in LABELS:
            stated[label] += bool(getattr(found, label))
        for word in {text.lower() for text in found.unclaimed}:
            uses[word] += 1
            owners[word].add(found.owner or "")
            examples.setdefault(word, name)
    words = (Word(word, number, len(owners[word]), examples[word]) for word, number in uses.most_common())
    return Coverage(count, stated, tuple(words))


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of the vocabulary on a list of names.")
    parser.add_argument("names", type=Path, metavar="FILE")
    parser.add_argument("--least", type=int, default=50, help="names that hold a word for it to be listed")
    parser.add_argument("--words", type=int, default=40, help="words to list")
    parser.add_argument("--markdown", action="store_true", help="as a table for the documentation")
    options = parser.parse_args()
    found = measure_coverage(names_of(options.names))
    shares = {label: number / max(found.names, 1) for label, number in found.stated.items()}
    frequent = [word for word in found.words if word.names >= options.least]
    if options.markdown:
        print("| label | names that state it |\n|---|---|")
        for label, share in shares.items():
            print(f"| `{label}` | {share:.1%} |")
        return
    print(f"{found.names:,} names; " + ", ".join(f"{label} {share:.1%}" for label, share in shares.items()))
    print(f"{len(frequent)} unclaimed words occur in {options.least} names or more")
    for word in sorted(frequent, key=lambda each: -each.owners)[: options.words]:
        print(f"  {word.text:<20} {word.names:>5} names {word.owners:>5} owners  {word.example}")


if __name__ == "__main__":
    main()
