"""What the report and the pages of the web catalog share: templates, the filters of templates, and the style."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis.errors import MissingExtra
from analysis.text import cell_text, day_text, escape_control_characters
from analysis.units import count_text, size_text, volume_text

TEMPLATES = Path(__file__).with_name("templates")


def make_environment(extra: str, *folders: Path) -> Any:
    """A Jinja environment that escapes all values; templates of `folders` precede the shared ones.

    Raises MissingExtra, which names the optional extra `extra`, without Jinja.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtra(extra, "jinja2") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "size": size_text, "volume": volume_text,
        "count": count_text, "hub_url": hub_url, "model_url": model_url, "minute": format_minute,
        "day": day_text, "cell": format_cell, "exact": format_exact,
    }  # fmt: skip
    return environment


@cache
def page_style() -> str:
    """The style sheet of all pages."""
    return (TEMPLATES / "page.css").read_text(encoding="utf-8")


def hub_url(repo_id: str) -> str:
    """The repo's page on the Hub."""
    return f"https://huggingface.co/{quote(repo_id)}"


def model_url(repo_id: str) -> str:
    """The repo's page in the web catalog."""
    return f"/model/{quote(repo_id)}"


def format_minute(moment: str | None) -> str:
    return "" if moment is None else str(moment)[:16].replace("T", " ")


def format_exact(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}"


def format_cell(value: Any) -> str:
    """Any value of a table as text: yes and no, numbers with separators, text with control characters escaped."""
    if value is None or value != value:
        return ""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.2f}"
    if isinstance(value, int | float):
        return f"{value:,.0f}"
    return escape_control_characters(value) if isinstance(value, str) else cell_text(value)
