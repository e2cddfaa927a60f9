"""`/`: a search box, the usual filters, what is new, and what the catalog covers; `/complete` for the box."""

from __future__ import annotations

from crawler.web.page import Content, Page, Visit
from crawler.web.pages.choices import load_choices

COMPLETIONS = """
select repo_id from repos
where type = 'model' and status <> 'gone' and lower(repo_id) >= :start and lower(repo_id) < :stop
order by downloads desc nulls last limit 8
"""


def load_home(visit: Visit) -> Content:
    found = load_choices(visit)
    return Content("Models of the Hugging Face Hub", found.row("catalog.db"), {"found": found})


def load_completions(visit: Visit) -> Content:
    """Families and repo ids that begin with what was typed, for the search box."""
    text = visit.query.text("q").lower()
    values: list[str] = []
    if text:
        families = [name for name, _ in load_choices(visit).choices["family"]]
        rows = visit.reader.all(COMPLETIONS, {"start": text, "stop": text + "\U0010ffff"})
        values = [*(name for name in families if name.startswith(text)), *(row["repo_id"] for row in rows)]
    return Content("Completions", {"values": values})


HOME = Page("home", r"/", load_home)
COMPLETE = Page("complete", r"/complete", load_completions)
