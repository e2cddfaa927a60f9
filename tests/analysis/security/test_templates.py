"""Constructs of chat templates that an honest one has no use for."""

from __future__ import annotations

import pytest

from analysis.security.templates import find_construct


@pytest.mark.parametrize(
    ("template", "construct"),
    [
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "python internals"),
        ("{{ messages|attr('x') }}", "python internals"),
        ("{{ lipsum['_x'].y }}", "escape from the sandbox"),
        ("{{ x.os.system('id') }}", "code execution"),
        ("{% include 'other' %}", "another template"),
        ("{% if 'invoice' in messages[-1]['content'] %}x{% endif %}", "trigger word"),
        ("{% if \"send money\" in message.content %}x{% endif %}", "trigger word"),
        ("{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}", None),
        ("{% if '</think>' in message.content %}{{ message.content.split('</think>')[-1] }}{% endif %}", None),
        ("{% if message.role == 'system' and tools is defined %}{{ tools | tojson }}{% endif %}", None),
        ("{% macro render(x) %}{{ namespace(found=false) }}{% endmacro %}{{ self_attention }}", None),
    ],
)  # fmt: skip
def test_a_construct_is_found(template: str, construct: str | None) -> None:
    assert find_construct(template) == construct


def test_a_search_of_a_hostile_text_ends() -> None:
    for piece in ("'a", "self ", "{% ", "os . ", "'a b' in "):
        assert find_construct(piece * 50_000) is None
