"""`/about`: what the catalog covers, how labels are decided and how often they are right, the last crawls."""

from __future__ import annotations

from dataclasses import asdict

from analysis.catalog.overview import CHECKED, load_runs, measure_agreement
from analysis.labels.evidence.make import WEIGHT
from crawler.web.page import Content, Page, Visit
from crawler.web.pages.choices import load_choices
from crawler.web.tables import sql_url

SOURCES = {
    "tensors": "the tensors that a file's header lists",
    "header": "what a file's header states",
    "config": "the repo's config.json",
    "api": "the Hub's own data about the repo",
    "file": "names and sizes of files",
    "card": "the model card",
    "tag": "tags of the repo",
    "name": "the repo's name",
    "owner": "what the publisher's other repos are",
    "size": "the bytes of the files",
    "lineage": "the base model",
    "fuzzy": "a name that is nearly a known one",
}


def load_about(visit: Visit) -> Content:
    overview = load_choices(visit)
    agreement = visit.answers.get(visit.reader, "agreement", lambda: measure_agreement(visit.reader))
    runs = load_runs(visit.reader)
    weights = sorted(((source, weight, SOURCES.get(source, "")) for source, weight in WEIGHT.items()),
                     key=lambda each: -each[1])  # fmt: skip
    data = {
        "coverage": overview.coverage.row("catalog.db"),
        "crawled": overview.crawled,
        "agreement": [{**asdict(each), "share": each.share} for each in agreement],
        "runs": runs,
    }
    context = {
        "overview": overview,
        "agreement": agreement,
        "runs": runs,
        "weights": weights,
        "checked": CHECKED,
        "sql_url": sql_url,
    }
    return Content("About the data", data, context)


ABOUT = Page("about", r"/about", load_about)
