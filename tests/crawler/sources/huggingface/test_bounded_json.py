"""Blocks of the Hub's answer with chat templates: the text is not kept, its digest and what is suspicious are."""

from __future__ import annotations

from hashlib import sha256

from crawler.sources.huggingface.bounded_json import merge_config, parse_config_block

TEMPLATE = "{{ ''.__class__ }}"


def test_a_template_leaves_its_digest_and_a_suspicious_construct() -> None:
    block = parse_config_block({"model_type": "llama", "tokenizer_config": {"chat_template": TEMPLATE}})
    assert block == {
        "model_type": "llama",
        "chat_template_digest": sha256(TEMPLATE.encode()).hexdigest(),
        "suspicious_template": "python internals",
    }
    assert "suspicious_template" not in parse_config_block({"tokenizer_config": {"chat_template": "{{ messages }}"}})


def test_a_repo_can_not_state_these_keys_itself() -> None:
    stated = {"suspicious_template": "none", "chat_template_digest": "0"}
    assert parse_config_block(stated) == {}
    known = parse_config_block({"tokenizer_config": {"chat_template": TEMPLATE}})
    assert merge_config(known, stated) == known
