"""What a model card documents: sections with content of their own, and metadata fields with a value."""

from __future__ import annotations

from time import process_time

import pytest

from analysis.files.card_sections import MAX_CARD_BYTES, SECTIONS, read_card, says, split_metadata
from db.records import CARD_SECTIONS
from samplehub.content.card_texts import COMPLETE, PARTLY, TEMPLATE


def filled(text: str) -> set[str]:
    facts = read_card(text.encode(), len(text))
    return {name for name in CARD_SECTIONS if getattr(facts, name)}


def test_the_sections_are_those_of_the_table() -> None:
    assert tuple(SECTIONS) == CARD_SECTIONS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (COMPLETE, set(CARD_SECTIONS)),
        (TEMPLATE, set()),
        (PARTLY, {"evaluation"}),
        ("", set()),
        ("## Bias, Risks, and Limitations\n\nIt errs.", {"bias", "limits"}),
        ("# Uses\n\nChat.", {"intended_use"}),
        ("# Usage\n\nCall it.\n\n# How to use\n\n`run`", set()),
        ("Intended uses\n=============\n\nChat.", {"intended_use"}),
        ("**Limitations:**\n\nIt errs.\n", {"limits"}),
        ("## Intended uses & limitations\n\nMore information needed\n", set()),
        ("## Training procedure\n\n### Training results\n\n| loss | 0.4 |\n", set()),
        ("## 4. Evaluation Results 📊\n\n71", {"evaluation"}),
        ("## How to run the evaluation\n\npython", set()),
        ("## Environment\n\npip", set()),
        ("## Dataset\n\n- **Name:**\n- **Licence:** none\n", {"training_data"}),
        ("## Dataset\n\n<!-- a comment\n## Bias\nx -->\n---\n", set()),
        ("## Evaluation\n\n```\n# Bias\nx\n```\n", {"evaluation"}),
        ("## Uses\n\n### Direct Use\n\nChat.\n\n## Bias\n\n", {"intended_use"}),
    ],
)
def test_sections_that_say_something(text: str, expected: set[str]) -> None:
    assert filled(text) == expected


def test_metadata_fields_that_have_a_value() -> None:
    card = (
        '---\r\nlicense: mit\r\nlanguage:\r\n- en\r\ndatasets: []\r\nmetrics:\r\ntags: ""\r\n'
        "model-index:\r\n  name: x\r\nmine: 1\r\n---\r\ntext"
    )
    facts = read_card(card.encode(), 4000)
    assert facts.fields == ("language", "license", "model-index")
    assert (facts.bytes, facts.placeholders) == (4000, 0)
    assert split_metadata("---\nlicense: mit\nno end") == ((), "---\nlicense: mit\nno end")


def test_placeholders_are_counted_and_no_card_says_nothing() -> None:
    assert read_card(TEMPLATE.encode(), 0).placeholders == 7
    facts = read_card(b"", 0)
    assert (facts.bytes, facts.fields, facts.bias, facts.text) == (0, (), False, "")


def test_labels_without_a_value_say_nothing() -> None:
    assert not says("- **Hardware Type:** [More Information Needed]\n* * *\n")
    assert says("- **Hardware Type:** TPU")


@pytest.mark.parametrize("part", ["{{", "<!--", "# " + 900 * " " + "x\n", 900 * "*" + "\n", "[more info", "a: b: "])
def test_hostile_cards_cost_little(part: str) -> None:
    data = (b"---\n" + part.encode() * (MAX_CARD_BYTES // len(part)))[:MAX_CARD_BYTES]
    start = process_time()
    read_card(b"\xff\0" + data, len(data))
    assert process_time() - start < 20  # a quadratic pattern takes minutes
