"""Small pictures for pages, drawn as SVG without a library: bars, lines, a bar of memory, a lineage.

They take their colours from page.css by class, name their values in `title` elements (shown when a pointer rests on
them) and have a text alternative. All text is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from analysis.text import escape_control_characters
from analysis.units import count_text

BAR_PIXELS, GAP_PIXELS = 18, 6
LABEL_PIXELS, PLOT_PIXELS, VALUE_PIXELS = 130, 144, 62
"""Together as wide as a phone's page, 336 pixels: a wider picture is scaled down, and its text with it."""

MAX_LABEL = 16  # characters
LINE_WIDTH, LINE_HEIGHT = 320, 90

NODE_PIXELS, ROW_PIXELS, INDENT_PIXELS, TREE_PIXELS = 26, 34, 16, 340
CHARACTER_PIXELS = 7.2  # of the tree's font, wide letters included


def clip(text: str, most: int) -> str:
    """Text of at most `most` characters, the end replaced by an ellipsis."""
    text = escape_control_characters(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def svg(width: float, height: float, title: str, parts: Iterable[Markup], css: str, role: str = "img") -> Markup:
    """The picture; it scales with the page up to its own width. `role` is `group` where it holds links."""
    picture = '<svg class="{0}" role="{5}" aria-label="{1}" viewBox="0 0 {2:g} {3:g}" width="{2:g}">{4}</svg>'
    return Markup(picture).format(css, title, width, height, Markup("").join(parts), role)


def draw_bars(
    rows: Sequence[tuple[str, float]],
    title: str,
    *,
    unit: str = "",
    link: Callable[[str], str | None] | None = None,
    text: Callable[[float], str] = count_text,
) -> Markup:
    """Horizontal bars of (label, value) in this order, from zero; `link` gives the URL of a label, if it has one."""
    most = max((value for _, value in rows), default=0) or 1
    parts = []
    for at, (label, value) in enumerate(rows):
        top = at * (BAR_PIXELS + GAP_PIXELS)
        length = max(1.0, value / most * PLOT_PIXELS)
        bar = Markup(
            '<g><title>{0}: {1} {2}</title><text x="{3}" y="{4}" text-anchor="end">{5}</text>'
            '<rect class="bar" x="{6}" y="{7}" width="{8:.1f}" height="{9}" rx="2"/>'
            '<text class="soft" x="{10:.1f}" y="{4}">{1}</text></g>'
        ).format(
            label, text(value), unit, LABEL_PIXELS - 8, top + 13, clip(label, MAX_LABEL), LABEL_PIXELS, top, length,
            BAR_PIXELS, LABEL_PIXELS + length + 6,
        )  # fmt: skip
        url = link(label) if link else None
        parts.append(Markup('<a href="{}">{}</a>').format(url, bar) if url else bar)
    width = LABEL_PIXELS + PLOT_PIXELS + VALUE_PIXELS
    height = max(1, len(rows)) * (BAR_PIXELS + GAP_PIXELS)
    name = f"{title}: {', '.join(f'{label} {text(value)}' for label, value in rows)}"
    return svg(width, height, name, parts, "bars", "group" if link else "img")


def draw_columns(rows: Sequence[tuple[str, float]], title: str) -> Markup:
    """A column for each (label, value), in order, with the first and the last label and the largest value named."""
    most = max((value for _, value in rows), default=0) or 1
    step = LINE_WIDTH / max(1, len(rows))
    column = Markup(
        '<g><title>{}: {}</title><rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/></g>'
    )
    parts = []
    for at, (label, value) in enumerate(rows):
        height = LINE_HEIGHT * value / most
        top = 16 + LINE_HEIGHT - height
        parts.append(column.format(label, count_text(value), at * step, top, max(1.0, step - 1), height))
    return framed(rows, title, most, parts)


def draw_line(
    rows: Sequence[tuple[str, float]], title: str, *, text: Callable[[float], str] = "{:,.0f}".format
) -> Markup:
    """A line through (yyyy-mm-dd, value) in order, from zero; every point names its value."""
    most = max((value for _, value in rows), default=0) or 1
    days = [date.fromisoformat(day).toordinal() for day, _ in rows]
    scale = LINE_WIDTH / max(1, days[-1] - days[0]) if days else 0
    places = [
        ((day - days[0]) * scale, 16 + LINE_HEIGHT * (1 - value / most))
        for day, (_, value) in zip(days, rows, strict=True)
    ]
    parts = [Markup('<polyline class="line" points="{}"/>').format(" ".join(f"{x:.1f},{y:.1f}" for x, y in places))]
    parts += [
        Markup('<circle class="point" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}: {}</title></circle>').format(
            x, y, day, text(value)
        )
        for (x, y), (day, value) in zip(places, rows, strict=True)
    ]
    return framed(rows, title, most, parts, text)


def framed(
    rows: Sequence[tuple[str, float]],
    title: str,
    most: float,
    parts: Sequence[Markup],
    text: Callable[[float], str] = count_text,
) -> Markup:
    """The plot with its largest value above and the first and the last label below."""
    if not rows:
        return Markup("")
    first, last = rows[0][0], rows[-1][0]
    texts = Markup(
        '<text class="soft" x="0" y="10">{0}</text><text class="soft" x="0" y="{1}">{2}</text>'
        '<text class="soft" x="{3}" y="{1}" text-anchor="end">{4}</text>'
    ).format(f"up to {text(most)}", LINE_HEIGHT + 32, first, LINE_WIDTH, last if last != first else "")
    begin, end = text(rows[0][1]), text(rows[-1][1])
    name = f"{title} from {first} to {last}: {begin} at first, {end} at last, {text(most)} at most"
    return svg(LINE_WIDTH, LINE_HEIGHT + 38, name, [*parts, texts], "plot")


def draw_memory(parts: Sequence[tuple[str, str, int]], memory: int, text: Callable[[float], str]) -> Markup:
    """A bar of `memory` bytes, filled by (css class, name, bytes); what is free stays empty."""
    whole = max(memory, sum(size for *_, size in parts)) or 1
    pieces, start = [], 0.0
    for css, name, size in parts:
        width = size / whole * 100
        pieces.append(
            Markup('<rect class="{}" x="{:.2f}" width="{:.2f}" height="10"><title>{}: {}</title></rect>').format(
                css, start, width, name, text(size)
            )
        )
        start += width
    label = f"{', '.join(f'{name} {text(size)}' for _, name, size in parts)}, of {text(memory)}"
    return Markup(
        '<svg class="memory" role="img" aria-label="{}" viewBox="0 0 100 10" preserveAspectRatio="none">{}</svg>'
    ).format(label, Markup("").join(pieces))


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One box of a drawn tree, `depth` steps to the right. `url` None: not a link; `here`: the page's own subject."""

    text: str
    note: str
    depth: int
    url: str | None = None
    here: bool = False
    group: bool = False


def draw_tree(nodes: Sequence[TreeNode], title: str) -> Markup:
    """A tree, one node below the other, each joined to the nearest node above it that is one step less deep."""
    parts: list[Markup] = []
    last_at: dict[int, int] = {}
    for at, node in enumerate(nodes):
        above = last_at.get(node.depth - 1)
        if above is not None:
            parts.append(draw_edge(node.depth, above, at))
        last_at[node.depth] = at
        parts.append(draw_node(node, at))
    return svg(TREE_PIXELS, max(1, len(nodes)) * ROW_PIXELS, title, parts, "tree-drawing", "group")


def draw_edge(depth: int, above: int, at: int) -> Markup:
    """The line from a node, one step to the left, to the one at row `at`."""
    x = (depth - 1) * INDENT_PIXELS + INDENT_PIXELS / 2
    return Markup('<path class="edge" d="M{0:g} {1:g}V{2:g}H{3:g}"/>').format(
        x, above * ROW_PIXELS + NODE_PIXELS, at * ROW_PIXELS + NODE_PIXELS / 2, depth * INDENT_PIXELS
    )


def draw_node(node: TreeNode, at: int) -> Markup:
    x, y = node.depth * INDENT_PIXELS, at * ROW_PIXELS
    width = TREE_PIXELS - x
    room = int((width - 16) / CHARACTER_PIXELS)
    note = clip(node.note, 18)
    label = clip(node.text, max(8, room - len(note) - 1))
    css = "node here" if node.here else "node group" if node.group else "node"
    box = Markup(
        '<g class="{0}"><title>{1} {2}</title><rect x="{3:g}" y="{4:g}" width="{5:g}" height="{6:g}" rx="5"/>'
        '<text x="{7:g}" y="{8:g}">{9}</text><text class="soft" x="{10:g}" y="{8:g}" text-anchor="end">{11}</text></g>'
    ).format(
        css, escape_control_characters(node.text), node.note, x, y, width, NODE_PIXELS, x + 8, y + 17, label,
        TREE_PIXELS - 8, note,
    )  # fmt: skip
    return Markup('<a href="{}">{}</a>').format(node.url, box) if node.url else box
