"""Texts of a few model cards: a complete one, one that states some things, and the Hub's template left as it is."""

from __future__ import annotations

COMPLETE = """## Intended use

Dialogue and summaries in English, for research and for products.

### Out-of-scope use

Decisions about people.

## Limitations

It states false facts with confidence.

## Ethical considerations

It repeats the bias of the web pages that it was trained on.

## Training data

Web pages and code, 8 trillion tokens.

## Evaluation

| benchmark | result |
|---|---|
| MMLU | 71.3 |

## Environmental impact

Trained on TPUs that ran on renewable energy; 132 t of CO2-equivalent."""

TEMPLATE = """## Uses

### Direct Use

<!-- Use without fine-tuning. -->

[More Information Needed]

### Out-of-Scope Use

[More Information Needed]

## Bias, Risks, and Limitations

[More Information Needed]

## Training Details

### Training Data

[More Information Needed]

## Evaluation

### Results

[More Information Needed]

## Environmental Impact

Carbon emissions can be estimated using the Machine Learning Impact calculator.

- **Hardware Type:** [More Information Needed]
- **Carbon Emitted:** [More Information Needed]"""

PARTLY = """## Highlights

Longer context than before.

## Evaluation

71.3 in MMLU, 88.4 in GSM8K.

## Usage

```
# Intended use
print("no heading")
```"""

CARD_TEXTS = {"BAAI/bge-m3": TEMPLATE, "Qwen/Qwen2.5-7B-Instruct": PARTLY, "openai/gpt-oss-20b": COMPLETE}
"""Repo id -> the text of its card; others have one sentence."""


def card_body(repo_id: str) -> str:
    """The text below a card's title; empty for one of one sentence."""
    return CARD_TEXTS.get(repo_id, "")
