"""`/`: a search box, the usual filters, what is new, and what the catalog covers; `/complete` for the box."""

from __future__ import annotations

from analysis.catalog.browse import rank_words
from analysis.catalog.coverage import counted
from crawler.web.page import Content, Page, Visit
from crawler.web.pages.choices import load_choices

MAX_COMPLETIONS = 8


def load_home(visit: Visit) -> Content:
    found = load_choices(visit)
    return Content("Models of the Hugging Face Hub", found.row("catalog.db"), {"found": found, "counted": counted})


def load_completions(visit: Visit) -> Content:
    """Families that begin with what was typed, and the ids of the models that it finds, for the search box."""
    text = visit.query.text("q").lower()
    values: list[str] = []
    if len(text) > 1:
        families = [name for name, _ in load_choices(visit).choices["family"]]
        ranked, _ = rank_words(visit.db, text)
        values = [*(name for name in families if name.startswith(text)), *(ranked or ())[:MAX_COMPLETIONS]]
    return Content("Completions", {"values": values})


HOME = Page("home", r"/", load_home)
COMPLETE = Page("complete", r"/complete", load_completions)
