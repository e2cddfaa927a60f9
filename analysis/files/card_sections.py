"""What a model card documents: its metadata fields that are filled and the sections that say something.

The sections are those of the Hub's model card template, found by their headings in English. A section that holds
nothing but the template's own words ("[More Information Needed]") says nothing. The text is untrusted: it is never
rendered, and its YAML is never loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from db.records import CardFacts

MAX_CARD_BYTES = 1_000_000
"""Of a longer card only the beginning is read."""

MAX_LINE_LENGTH = 2000
"""Characters of a line that are looked at."""

FIELDS = frozenset({
    "base_model", "base_model_relation", "co2_eq_emissions", "datasets", "eval_results", "extra_gated_prompt",
    "inference", "language", "library_name", "license", "license_link", "license_name", "metrics", "model-index",
    "new_version", "pipeline_tag", "tags", "thumbnail", "widget",
})  # fmt: skip
"""The metadata fields that the Hub documents for model cards."""

SECTIONS = {
    "intended_use": r"intended (use|user)|direct use|downstream use|out.of.scope use|^uses?$|use cases?|primary use",
    "limits": r"limitation|known issues|caveat|out.of.scope",
    "bias": r"\bbias|fairness|ethic",
    "training_data": r"train(ing)? (and .* )?data|fine.?tuning data|data sources?$|^data(set)?s?( used)?$",
    "evaluation": r"evaluat|benchmark|^(test(ing)? )?results?$|^performance$|testing data",
    "environment": r"environmental|carbon|\bco2|emission|energy (use|consumption)",
}
"""Column of `cards` -> the headings of such a section."""

NOT_EVALUATION = re.compile(r"how to|usage|code|prompt", re.I)
"""Headings of instructions, which document no results."""

_HEADINGS = {name: re.compile(pattern, re.I) for name, pattern in SECTIONS.items()}
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_BOLD_HEADING = re.compile(r"\s*(\*\*|__)([^*_]{3,80}?):?\1:?\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_FIELD = re.compile(r"([A-Za-z_][\w-]{0,60})\s*:\s*(.*)$")
_PLACEHOLDER = re.compile(r"\[?more information needed\]?\.?|\{\{[^{}\n]{0,200}\}\}", re.I)
MAX_LABEL_LENGTH = 80
"""Characters of a label such as "- **Developed by:**"."""

_TEMPLATE = re.compile(
    r"Users \(both direct and downstream\) should be made aware of the risks"
    r"|Carbon emissions can be estimated using the|Use the code below to get started|Provide a longer summary",
    re.I,
)
_COMMENT = re.compile(r"<!--.*?(-->|\Z)", re.S)
_EMPTY_VALUES = frozenset(["", "[]", "{}", "null", "~", '""', "''", "|", ">"])


def read_card(data: bytes, size: int) -> CardFacts:
    """What a README.md of `size` bytes says, of which `data` are all or the first ones."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").removeprefix("\ufeff")
    fields, body = split_metadata(text)
    filled = frozenset(
        name for heading, content in sections(_COMMENT.sub("", body)) for name in topics(heading) if says(content)
    )
    return CardFacts(
        bytes=size,
        fields=fields,
        placeholders=len(_PLACEHOLDER.findall(body)),
        text=text.replace("\0", ""),
        **{name: name in filled for name in SECTIONS},
    )


def split_metadata(text: str) -> tuple[tuple[str, ...], str]:
    """The names of the metadata fields that have a value, sorted, and the text after the metadata."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return (), text
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        return (), text
    found, name = set(), None
    for line in lines[1:end]:
        field = _FIELD.match(line[:MAX_LINE_LENGTH])
        if field is not None:
            name = field[1]
            if field[2].strip() not in _EMPTY_VALUES:
                found.add(name)
        elif name is not None and line.strip() and not line.lstrip().startswith("#"):
            found.add(name)  # an item or a key of its value
    return tuple(sorted(found & FIELDS)), "\n".join(lines[end + 1 :])


def sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, what stands below it up to the next heading of its level or a higher one). Code is no heading."""
    open_sections: list[tuple[int, str, list[str]]] = []
    fenced = False
    lines = [line[:MAX_LINE_LENGTH] for line in text.split("\n")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        fenced ^= _FENCE.match(line) is not None
        level, heading = (0, "") if fenced else parse_heading(line, following)
        while heading and open_sections and open_sections[-1][0] >= level:
            yield _close(open_sections)
        if heading:
            open_sections.append((level, heading, []))
        elif open_sections:
            open_sections[-1][2].append(line)
    while open_sections:
        yield _close(open_sections)


def _close(open_sections: list[tuple[int, str, list[str]]]) -> tuple[str, str]:
    """Ends the innermost section; what it says, the one around it says too."""
    _, heading, lines = open_sections.pop()
    if open_sections:
        open_sections[-1][2].extend(lines)
    return heading, "\n".join(lines)


def parse_heading(line: str, following: str) -> tuple[int, str]:
    """(level from 1, text) of a heading: `## Text`, underlined, or a line in bold type alone; (0, "") for another."""
    found = _HEADING.match(line)
    if found is not None:
        return len(found[1]), found[2].strip().rstrip("#").rstrip()
    underline = following.strip()
    if line.strip() and len(underline) >= 3 and not underline.strip("="):
        return 1, line.strip()
    bold = _BOLD_HEADING.match(line)
    return (7, bold[2]) if bold is not None else (0, "")


def topics(heading: str) -> Iterator[str]:
    """The columns of `cards` that a heading announces."""
    plain = re.sub(r"[^\w\s&,./-]|\d+\.", " ", heading).strip()
    for name, pattern in _HEADINGS.items():
        if pattern.search(plain) and not (name == "evaluation" and NOT_EVALUATION.search(plain)):
            yield name


def says(content: str) -> bool:
    """Whether a section holds more than the template's words, labels without a value, and rules."""
    for line in content.split("\n"):
        left = _PLACEHOLDER.sub("", line)
        plain = left.strip().rstrip("*_ ")
        is_label = plain.endswith(":") and len(plain) <= MAX_LABEL_LENGTH
        if not is_label and not _TEMPLATE.search(left) and re.search(r"\w", left):
            return True
    return False
