"""Pictures drawn as SVG: their proportions, their texts, and that nothing of a name is markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("markupsafe", reason="markupsafe is not installed: pip install '.[charts]'")

from analysis.publish.drawings import (
    LINE_HEIGHT,
    MAX_LABEL,
    PLOT_PIXELS,
    TreeNode,
    clip,
    draw_bars,
    draw_columns,
    draw_line,
    draw_memory,
    draw_tree,
)
from analysis.units import size_text

SCRIPT = "<script>alert(1)</script>"


def numbers(svg: str, tag: str, name: str) -> list[float]:
    """An attribute of every element of a kind, as numbers."""
    return [float(each.attrib[name]) for each in ET.fromstring(svg).iter(tag) if name in each.attrib]


def test_bars_are_as_long_as_their_values() -> None:
    svg = draw_bars([("a", 200), ("b", 50)], "Things", unit="downloads", link=lambda label: f"/x?a={label}&b=1")
    assert numbers(svg, "rect", "width") == [PLOT_PIXELS, PLOT_PIXELS / 4]
    assert "<title>a: 200 downloads</title>" in svg and 'href="/x?a=a&amp;b=1"' in svg
    assert 'aria-label="Things: a 200, b 50"' in svg


def test_bars_and_trees_are_not_wider_than_a_phone_and_their_texts_do_not_touch() -> None:
    """The page of a window of 360 pixels has 331: text of 12 pixels keeps 11 of them there."""
    bars = draw_bars([("w" * 40, 123_456)], "Things")
    tree = draw_tree([TreeNode("w" * 60, "181,742 downloads", 3)], "Lineage")
    for svg in (bars, tree):
        assert float(ET.fromstring(svg).attrib["width"]) * 11 / 12 <= 331
    ends = [float(each.attrib["x"]) for each in ET.fromstring(bars).iter("text")]
    assert ends[0] >= 7 * len(clip("w" * 40, MAX_LABEL)), "the label begins in the picture"
    label, note = ET.fromstring(tree).iter("text")
    room = float(note.attrib["x"]) - float(label.attrib["x"])
    assert 7 * len(f"{label.text}{note.text}") <= room


def test_columns_are_as_high_as_their_values() -> None:
    svg = draw_columns([("2026-01", 4), ("2026-02", 0), ("2026-03", 1)], "models created")
    assert numbers(svg, "rect", "height") == [LINE_HEIGHT, 0, LINE_HEIGHT / 4 + 0.0]
    assert "models created from 2026-01 to 2026-03: 4 at first, 1 at last, 4 at most" in svg
    assert draw_columns([], "nothing") == ""


def test_a_line_passes_through_its_values() -> None:
    svg = draw_line([("2026-01-01", 10), ("2026-01-02", 20), ("2026-01-05", 5)], "downloads")
    assert re.findall(r'points="([^"]+)"', svg) == ["0.0,61.0 80.0,16.0 320.0,83.5"], (
        "a day has the same width everywhere"
    )
    assert "<title>2026-01-02: 20</title>" in svg
    assert "2 kB at most" in draw_line([("2026-01-01", 2000)], "size", text=size_text)


@pytest.mark.parametrize(("memory", "widths"), [(10, [50, 20, 10]), (4, [62.5, 25, 12.5])])
def test_a_bar_of_memory_is_filled_by_what_needs_it(memory: int, widths: list[float]) -> None:
    parts = (("weights", "weights", 5), ("cache", "KV cache", 2), ("overhead", "program", 1))
    svg = draw_memory(parts, memory, size_text)
    assert numbers(svg, "rect", "width") == widths, "a bar that is too short for its parts grows"
    assert numbers(svg, "rect", "x") == [0, widths[0], widths[0] + widths[1]]


def test_a_node_of_a_tree_is_joined_to_the_one_that_it_belongs_to() -> None:
    nodes = [
        TreeNode("base", "", 0, "/model/base"),
        TreeNode("this", "", 1, here=True),
        TreeNode("quantizations", "2", 2, group=True),
        TreeNode("child", "", 3, "/model/child"),
        TreeNode("merges", "1", 2, group=True),
    ]
    svg = draw_tree(nodes, "Lineage")
    edges = re.findall(r'd="M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)"', svg)
    assert edges == [("8", "26", "47", "16"), ("24", "60", "81", "32"), ("40", "94", "115", "48"),
                     ("24", "60", "149", "32")]  # fmt: skip
    assert svg.count("<a ") == 2 and svg.count('class="node here"') == 1


def test_untrusted_text_is_escaped_and_clipped() -> None:
    for svg in (
        draw_bars([(SCRIPT, 1)], SCRIPT, unit=SCRIPT, link=lambda label: f'/"{label}'),
        draw_line([("2026-11-01", 1), ("2026-11-02", 2)], SCRIPT),
        draw_columns([(SCRIPT, 1)], SCRIPT),
        draw_memory(((SCRIPT, SCRIPT, 1),), 2, size_text),
        draw_tree([TreeNode(SCRIPT, SCRIPT, 0, f'/"{SCRIPT}')], SCRIPT),
    ):
        assert "<script" not in svg
        ET.fromstring(svg)
    assert clip("a" * 30, 10) == "aaaaaaaaa…" and clip("a\u202eb", 10) == "a\\u202eb"
