"""The pages of the web catalog, in this process: what they show, their other forms, and what they say about errors."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import shutil
import sqlite3
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")

from analysis.catalog.audit import audit_model
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import find_fits
from analysis.catalog.history import Series
from analysis.fit.machines import GB, Machine
from analysis.query.reader import CatalogReader
from analysis.query.saved import saved_queries
from crawler.web.answers import AnswerCache
from crawler.web.gate import STRICT_POLICY, Gate, Message
from crawler.web.limits import WebLimits
from crawler.web.page import change_text
from crawler.web.pages.model import decided_value, draw_series
from tests.crawler.web.site import Site
from tests.small_catalog import SCRIPT

GEMMA = "google/gemma-3-4b-it"
QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"
UNSLOTH = "unsloth/gemma-3-4b-it-GGUF"
HOSTILE = "stranger/frobnitz-GGUF"
PAGES = (
    "/", "/search", "/search?q=gemma", f"/model/{UNSLOTH}", f"/model/{HOSTILE}", "/fits",
    f"/compare?id={GEMMA}&id={QAT}",
    "/family/gemma", "/publisher/google", "/quantization/q4_0",
    "/changes", "/explore", "/query/best-under", "/about", "/compare",
)  # fmt: skip
MAX_PAGE_BYTES = 100_000


@pytest.fixture(scope="module")
def site(small: str) -> Site:
    return Site(small)


class Tags(HTMLParser):
    """The elements of a page: (name, attributes)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def attributes(self, tag: str, name: str) -> list[str]:
        return [value for found, attrs in self.found if found == tag and (value := attrs.get(name)) is not None]


# ---- all pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_light_and_has_no_script_or_style_of_its_own(path: str, site: Site) -> None:
    html = site.get(path)
    tags = Tags(html)
    names = [tag for tag, _ in tags.found]
    assert len(html.encode()) < MAX_PAGE_BYTES
    assert names.count("h1") == 1 and names.count("main") == 1 and tags.attributes("html", "lang") == ["en"]
    assert tags.attributes("script", "src") == ["/-/hf-catalog.js"] and names.count("script") == 1
    assert "style" not in names and not [attrs for _, attrs in tags.found if "style" in attrs]
    assert site.headers["content-security-policy"] == STRICT_POLICY
    assert SCRIPT not in html and "<title></title>" not in html
    outside = [url for url in tags.attributes("a", "href") if "://" in url and not url.startswith("https://")]
    assert outside == []


def test_only_pages_that_ask_for_it_have_the_strict_policy(site: Site) -> None:
    def policy(path: str) -> str:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"host", b"localhost")], "server": ("127.0.0.1", 80), "http_version": "1.1", "scheme": "http",
        }  # fmt: skip
        site.loop.run_until_complete(Gate(site.app.app(), [], WebLimits())(scope, receive, send))
        assert sent[0]["status"] == 200
        return str(dict(sent[0]["headers"])[b"content-security-policy"], "ascii")

    assert policy("/about") == STRICT_POLICY and "inline" not in STRICT_POLICY and "nonce" not in STRICT_POLICY
    assert "nonce-" in policy("/catalog")


@pytest.mark.parametrize("path", ["/-/hf-catalog.css", "/-/hf-catalog.js", "/-/hf-catalog-tables.css"])
def test_styles_and_scripts_are_served_from_the_package(path: str, site: Site) -> None:
    text = site.get(path)
    assert "http" not in text and site.headers["content-type"].startswith(("text/css", "text/javascript"))


@pytest.mark.parametrize("path", [page.partition("?")[0] for page in PAGES if "frobnitz" not in page])
def test_every_page_is_also_json(path: str, site: Site) -> None:
    assert site.json(f"{path}.json")
    assert site.headers["content-type"].startswith("application/json")


# ---- search ---------------------------------------------------------------------------------------------------------


def listed(html: str) -> list[str]:
    """The models of the first table of a page."""
    table = html[html.index("<tbody>") : html.index("</tbody>")]
    return re.findall(r'<th scope="row"><a href="/model/([^"]+)"', table)


def test_words_find_models_and_facets_narrow_them(site: Site) -> None:
    html = site.get("/search?q=gemma")
    assert listed(html) == [GEMMA, QAT, "bartowski/google_gemma-3-4b-it-GGUF", UNSLOTH,
                            "RedHatAI/gemma-3-4b-it-quantized.w4a16"]  # fmt: skip
    links = Tags(html).attributes("a", "href")
    assert "/search?q=gemma&author=google" in links
    assert '<a href="/search?q=gemma&amp;author=google">google <span class="soft">2</span></a>' in html
    narrowed = site.get("/search?q=gemma&author=google")
    assert listed(narrowed) == [GEMMA, QAT] and "2 models" in narrowed
    assert "/search?q=gemma" in Tags(narrowed).attributes("a", "href"), "the filter can be removed"
    assert site.json("/search.json?q=gemma")["facets"]["quant"][0] == {"value": "BF16", "n": 1}


@pytest.mark.parametrize(
    ("query", "first", "count"),
    [
        ("family=gemma&format=gguf&sort=size", UNSLOTH, 3),
        ("sort=modified", None, 13),
        ("license=apache-2.0&sort=name", "halfway/Qwen3-8B-GGUF", 3),
        ("task=automatic-speech-recognition", "openai/whisper-large-v3", 1),
        ("min_size=20B", "unsloth/Qwen3-30B-A3B-GGUF", 1),
        ("quantized=no&max_size=4GB", "openai/whisper-large-v3", 2),
        ("memory=4GB&family=gemma", "bartowski/google_gemma-3-4b-it-GGUF", 2),
        ("q=nothing-like-this", None, 0),
    ],
)
def test_filters_and_orders(query: str, first: str | None, count: int, site: Site) -> None:
    found = site.json(f"/search.json?{query}")
    assert found["total"] == count == len(found["rows"])
    assert first is None or found["rows"][0]["repo_id"] == first


def test_the_csv_file_and_the_feed_hold_the_result_of_the_page(site: Site) -> None:
    text = site.get("/search.csv?q=gemma&sort=downloads")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["repo_id"] for row in rows] == [
        row["repo_id"] for row in site.json("/search.json?q=gemma&sort=downloads")["rows"]
    ]
    feed = ET.fromstring(site.get("/search.atom?author=google"))
    atom = "{http://www.w3.org/2005/Atom}"
    assert [entry.findtext(f"{atom}title") for entry in feed.iter(f"{atom}entry")] == [GEMMA, QAT]
    assert "=HYPERLINK" not in site.get("/search.csv?author=stranger").replace("'=HYPERLINK", "")


def test_the_search_box_completes(site: Site) -> None:
    assert site.json("/complete?q=gem")["values"][:2] == ["gemma", GEMMA]
    assert site.json("/complete?q=g")["values"] == [], "one letter finds half of the catalog"


# ---- a model --------------------------------------------------------------------------------------------------------


def test_a_model_shows_quantizations_with_what_fits_and_how_to_run_it(site: Site) -> None:
    html = site.get(f"/model/{UNSLOTH}")
    assert "gemma 3 4B" in html and "Claimed and measured" in html
    assert "llama-server -hf unsloth/gemma-3-4b-it-GGUF" in html
    assert f'href="/model/{GEMMA}"' in html, "the base model, in the lineage"
    assert 'id="label-family"' in html and "decided" in html
    found = site.json(f"/model/{UNSLOTH}.json?ram=4GB")
    assert found["machine"]["memory"] == 3 * GB and found["lineage"]["ancestors"][0]["repo_id"] == GEMMA
    needs = {row["artifact"]: row["needs"] for row in found["artifacts"] if row["needs"]}
    table = site.get(f"/model/{UNSLOTH}?ram=4GB")
    assert table.count('class="yes"') == sum(need <= 3 * GB for need in needs.values())
    assert table.count('class="no"') == sum(need > 3 * GB for need in needs.values()) > 0


def test_a_base_model_links_to_what_was_made_from_it(site: Site) -> None:
    html = site.get(f"/model/{GEMMA}")
    assert {f"/model/{QAT}", f"/model/{UNSLOTH}"} <= set(Tags(html).attributes("a", "href"))
    assert re.search(r"quantizations.*?>4<", html, re.DOTALL)


def test_a_model_is_found_in_any_case_and_a_name_that_ends_in_json_is_a_name(small: str, tmp_path: Path) -> None:
    db = str(shutil.copy(small, tmp_path / "catalog.db"))
    with sqlite3.connect(db) as connection:
        connection.execute("update repos set repo_id = 'someone/model.json' where repo_id = 'someone/plain-writer-1b'")
    site = Site(db)
    assert "<h1>someone/model.json</h1>" in site.get("/model/someone/model.json")
    assert site.json("/model/someone/model.json.json")["repo_id"] == "someone/model.json"
    assert "<h1>google/gemma-3-4b-it</h1>" in site.get("/model/GOOGLE/Gemma-3-4B-it")


def test_a_model_shows_the_checks_of_the_audit(site: Site, small: str) -> None:
    with CatalogReader(small) as reader:
        expected = audit_model(reader, UNSLOTH)
    found = site.json(f"/model/{UNSLOTH}.json")["checks"]
    assert [(row["check"], row["result"]) for row in found] == [(check.check, check.result) for check in expected]
    html = site.get(f"/model/{UNSLOTH}")
    assert all(f'<th scope="row">{check.check}</th>' in html for check in expected) and expected


# ---- fits, compare --------------------------------------------------------------------------------------------------


def test_the_form_of_fits_gives_the_answer_of_the_command(site: Site, small: str) -> None:
    found = site.json("/fits.json?ram=16GB&context=4k&family=gemma")
    with CatalogReader(small) as reader:
        expected = find_fits(reader, Machine(ram=16 * GB), FitRequest(context=4096, families=("gemma",), limit=20))
    assert [row["repo_id"] for row in found["rows"]] == [fit.repo_id for fit in expected.fits]
    assert [row["needs"] for row in found["rows"]] == [fit.needs for fit in expected.fits]
    html = site.get("/fits?ram=16GB&context=4k&family=gemma")
    fit = expected.fits[0]
    width = fit.weights / Machine(ram=16 * GB).ram_for_models * 100
    assert f'<rect class="weights" x="0.00" width="{width:.2f}"' in html
    links = Tags(html).attributes("a", "href")
    assert f"/model/{fit.repo_id}?ram=16GB#files" in links and f"{fit.largest_context:,}</a>" in html
    evidence = f"/catalog/labels?repo_id={quote(fit.repo_id, safe='')}&field__startswith="
    assert {f"{evidence}parameters", f"{evidence}context"} <= set(links)
    assert {row["field"] for row in site.rows("/catalog/labels", repo_id=fit.repo_id, field__startswith="parameters")}
    assert 'value="16GB"' in html and "hf-catalog fits --ram 16GB --context 4096 --family gemma" in html


def test_compared_models_stand_side_by_side_and_differences_are_marked(site: Site) -> None:
    html = site.get(f"/compare?id={GEMMA}&id={QAT}")
    differing = re.findall(r'<tr class="differs"><th scope="row">([^<]+?) <', html)
    assert "quantization" in differing and "family" not in differing and "licence" not in differing
    assert [row["repo_id"] for row in site.json(f"/compare.json?id={GEMMA}&id={QAT}")["rows"]] == [GEMMA, QAT]


def test_values_of_a_comparison_lead_to_what_gives_them(site: Site) -> None:
    """Each address answers, and has the rows of that model only."""
    html = site.get(f"/compare?id={GEMMA}&id={QAT}&ram=16GB")
    cells = dict(re.findall(r'<tr[^>]*><th scope="row">([^<]+?)(?: <[^\n]*?)?</th>(.*?)</tr>', html))
    links = {name: Tags(cells[name]).attributes("a", "href") for name in cells}
    for name, table in (("parameters", "labels"), ("size", "artifacts_wide"), ("downloads per month", "metrics_daily")):
        first, second = links[name]
        assert first.startswith(f"/catalog/{table}?repo_id={quote(GEMMA, safe='')}") and quote(QAT, safe="") in second
        fields = dict(parse_qsl(urlsplit(second).query))
        columns = {key: fields[key] for key in fields if not key.startswith("_")}
        rows = site.rows(f"/catalog/{table}", **columns)
        assert {row["repo_id"] for row in rows} == {QAT}, name
    assert links["base model"][-1] == f"/model/{GEMMA}" and links["family"] == ["/family/gemma"] * 2
    memory = next(found for name, found in links.items() if name.startswith("memory needed"))
    assert memory[0] == f"/model/{GEMMA}?ram=16GB#files" and memory == links["largest context"]
    assert links["tuning"] == []
    twice = site.get(f"/compare?id={QAT}&id={HOSTILE}")
    assert "field__startswith=context" in twice and "/catalog/None" not in twice


# ---- families, publishers, changes, queries, the data ---------------------------------------------------------------


def test_a_family_and_a_publisher(site: Site) -> None:
    family = site.json("/family/gemma.json")
    assert (family["models"], family["quantized"], family["downloads"]) == (5, 4, 2_009_400)
    assert [each["name"] for each in family["publishers"]] == ["google", "bartowski", "unsloth", "RedHatAI"]
    assert family["months"] == [["2025-02", 1], ["2025-03", 1], ["2025-04", 1], ["2025-05", 1], ["2025-06", 1]]
    publisher = site.json("/publisher/GOOGLE.json")
    assert (publisher["name"], publisher["models"], publisher["downloads"]) == ("google", 2, 1_800_200)
    assert "https://huggingface.co/google" in Tags(site.get("/publisher/google")).attributes("a", "href")


def test_a_quantization_is_explained_where_it_is_named(site: Site) -> None:
    html = site.get("/quantization/q8_0")
    assert "<h1>Q8_0</h1>" in html and UNSLOTH in html and "llama.cpp" in html
    found = site.json("/quantization/Q8_0.json")
    assert (found["name"], found["models"], found["facts"]["bits per weight, nominal"]) == ("Q8_0", 2, "8")
    for path in (f"/model/{UNSLOTH}", "/search?q=gemma", "/fits", "/family/gemma", "/query/quantizations"):
        assert any("/quantization/" in url for url in Tags(site.get(path)).attributes("a", "href")), path


def test_changes_are_filtered_and_their_feed_holds_the_same(site: Site) -> None:
    rows = site.json("/changes.json")["rows"]
    assert len(rows) == 15 and (rows[0]["repo_id"], rows[0]["kind"]) == ("old/vanished-7b", "gone")
    assert [row["kind"] for row in site.json("/changes.json?kind=gone")["rows"]] == ["gone"]
    assert len(site.json("/changes.json?family=Gemma&since=2026-11-01")["rows"]) == 5
    feed = site.get("/changes.atom?kind=gone")
    assert feed.count("<entry>") == 1 and "old/vanished-7b" in feed
    assert site.headers["content-type"].startswith("application/atom+xml")
    assert site.json("/changes.json?since=2027-01-01")["rows"] == []


def test_every_saved_query_has_a_title_and_a_form(site: Site) -> None:
    html = site.get("/explore")
    for query in saved_queries():
        assert f'<a href="/query/{query.name}">{query.title}</a>' in html
    page = site.get("/query/best-under?size=3GB&model=google/gemma-3-4b-it")
    assert 'name="size" value="3GB"' in page and 'aria-describedby="d-size"' in page and "Q4_K_XL" in page
    assert site.json("/query/best-under.json?size=3GB")["rows"][0]["quant"] == "Q4_K_XL"


def test_a_result_of_names_and_counts_has_a_chart(site: Site) -> None:
    html = site.get("/query/top-families")
    assert '<svg class="bars"' in html and re.search(r"<title>gemma: [\d.,MBK]+", html)


def test_the_data_are_described(site: Site) -> None:
    found = site.json("/about.json")
    assert found["agreement"][0] == {
        "label": "quant",
        "checked": 13,
        "contradicted": 1,
        "share": pytest.approx(12 / 13),
    }
    html = site.get("/about")
    assert "92.3 %" in html and "14 repos known" in html


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/model/google/gemma-3-4b", 404, 'href="/model/google/gemma-3-4b-it"'),
        ("/family/gema", 404, 'href="/family/gemma"'),
        ("/publisher/gogle", 404, "holds no model of the publisher"),
        (f"/quantization/{'*a' * 2000}", 404, 'href="/query/quantizations"'),
        ("/query/best-undr", 404, 'href="/explore"'),
        ("/fits?ram=much", 400, "16GB or 16GiB"),
        ("/fits?machine=nothing", 400, "o machine is named"),
        ("/fits?machine=M3+Max", 400, "M3 Max 16GB"),
        ("/fits?context=0", 400, "8192, 32k"),
        ("/search?sort=random", 400, "one of match, downloads"),
        ("/search?q=%22%28", 200, "This result as"),
        ("/search?page=x", 400, "a number from 1"),
        ("/search?page=0", 400, "a number from 1"),
        ("/search?q=" + "a" * 301, 400, "at most 300 characters"),
        ("/query/best-under?size=much", 400, "a size such as 16GB"),
        ("/compare?" + "&".join(["id=a"] * 6), 400, "at most 5 models"),
        (f"/compare?id={GEMMA}::Q9", 404, GEMMA),
        ("/changes?since=yesterday", 400, "7d, 24h"),
        ("/nothing", 404, "home page"),
    ],
)
def test_an_error_is_a_page_that_says_what_to_do(path: str, status: int, text: str, site: Site, small: str) -> None:
    html = site.get(path, status)
    assert text in html.replace("&#39;", "'"), html[html.index("<main") :]
    assert "Traceback" not in html and str(Path(small).parent) not in html and 'href="/"' in html


def test_errors_of_json_are_json(site: Site) -> None:
    error = site.json("/model/nobody/nothing.json", status=404)
    assert error["status"] == 404 and "nobody/nothing" in error["error"] and error["hint"] == "Search for its name:"
    assert "There is no page at this address." in site.get("/nothing", status=404)
    assert site.json("/model/nobody/gemma-3-4b-it.json", status=404)["hint"] == "Perhaps one of these is meant:"


def test_a_catalog_that_vanishes_is_an_error_without_its_path(small: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(small, tmp_path / "catalog.db"))
    site = Site(str(path))
    path.unlink()
    for address in ("/search", "/catalog/models"):
        html = site.get(address, 503)
        assert "be read at the moment" in html and "doctor" in html and str(tmp_path) not in html


def test_a_locked_catalog_says_by_whom_and_what_to_do(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.sqlite_file.BUSY_SECONDS", 0.05)
    path = Path(shutil.copy(small, tmp_path / "catalog.db"))
    site = Site(str(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("pragma journal_mode=delete")
    other.execute("begin exclusive")
    html = site.get("/search", 503)
    assert "Another program has locked the catalog" in html and "Try again" in html
    assert site.headers["retry-after"]
    other.close()
    assert "5 models" in site.get("/search?q=gemma")


def test_more_visitors_than_threads_and_queue_are_asked_to_come_back(small: str) -> None:
    site = Site(small, limits=WebLimits(processes=1, waiting_queries=0))

    async def visit_twice() -> list[int]:
        answers = await asyncio.gather(*(site.app.client.get("/search") for _ in range(2)))
        return sorted(answer.status_code for answer in answers)

    assert site.loop.run_until_complete(visit_twice()) == [200, 503]


def test_a_catalog_where_nothing_may_be_written_is_served(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.sqlite_file._is_still", lambda path: True)
    assert "5 models" in Site(small).get("/search?q=gemma")


# ---- answers that are kept ------------------------------------------------------------------------------------------


def test_an_answer_is_kept_until_a_crawl_changes_the_catalog(small: str, tmp_path: Path) -> None:
    db = str(shutil.copy(small, tmp_path / "catalog.db"))
    cache, built = AnswerCache(), []

    def build() -> int:
        built.append(1)
        return len(built)

    def ask() -> int:
        with CatalogReader(db) as reader:
            return cache.get(reader, "key", build)

    assert [ask(), ask()] == [1, 1]
    with sqlite3.connect(db) as connection:
        connection.execute("delete from crawl_runs where id = (select max(id) from crawl_runs)")
    assert [ask(), ask()] == [2, 2]


def test_a_change_is_shown_as_people_read_it() -> None:
    assert change_text('{"blob_id":"49df","sha256":null,"size":2489758112}') == "2.49 GB"
    assert change_text('{"blob_id":"49df"}') == "unknown size"
    assert change_text("{not JSON") == "{not JSON"
    assert change_text("e27bab58bd1a069be27f35b1d552d801e04cc97d") == "e27bab58bd1a"
    assert (change_text("apache-2.0"), change_text(None)) == ("apache-2.0", "")


def test_a_label_without_a_column_of_its_own_has_the_value_that_its_evidence_decided() -> None:
    rows = [{"value": "bartowski", "resolved": False}, {"value": "unsloth", "resolved": True}]
    found = SimpleNamespace(model={"family": "gemma", "quantizer": None})
    assert decided_value(found, "quantizer", rows) == "unsloth"  # type: ignore[arg-type]
    assert decided_value(found, "family", rows) == "gemma"  # type: ignore[arg-type]
    assert decided_value(found, "scan", rows[:1]) is None  # type: ignore[arg-type]


def test_charts_of_a_models_history_lead_to_their_rows(site: Site) -> None:
    months = Series("changes", [("2026-10", 2), ("2026-11", 0)])
    found = [draw_series(each, GEMMA) for each in (months, Series("downloads", [("2026-11-01", 1), ("2026-11-02", 2)]))]
    assert [each.url.partition("&")[0] for each in found] == [
        f"/catalog/changes?repo_id={quote(GEMMA, safe='')}", f"/catalog/metrics_daily?repo_id={quote(GEMMA, safe='')}",
    ]  # fmt: skip
    assert found[0].months == months.points and found[1].months == ()
    for each in found:
        site.get(each.url)


def test_numbers_and_quantizations_lead_to_where_they_come_from(site: Site) -> None:
    home = site.get("/")
    assert re.search(r'<a href="/catalog/models\?depth=headers&amp;[^"]*">\d+</a></dd>', home)
    assert '<a class="soft" href="/search?family=gemma" aria-label="5 models of gemma">5</a>' in home
    assert '<a href="/quantization/Q4_0">Q4_0</a>, quantization-aware' in site.get(f"/compare?id={GEMMA}&id={QAT}")
    assert 'href="/quantization/Q4_0" aria-label="What Q4_0 is"' in site.get("/search?q=gemma")
    family = site.get("/family/gemma")
    assert '<dt>models</dt><dd><a href="/search?family=gemma">5</a></dd>' in family
    assert 'href="/catalog/models?family=gemma&amp;version=3&amp;' in family
    month = re.search(r'<a class="soft" href="([^"]*)" aria-label="1 in 2025-03"', family)
    assert month
    (first,) = site.rows("/catalog/models", family="gemma", created_at__startswith="2025-03")
    assert month[1].startswith("/catalog/models?family=gemma&amp;created_at__startswith=2025-03")
    assert first["created_at"].startswith("2025-03")
    assert '<a href="/search?family=gemma&amp;license=gemma">5</a>' in family
    about = site.get("/about")
    assert 'href="/catalog?sql=select+count' in about and 'href="/catalog/label_conflicts?field=quant">' in about
    assert '<a href="/quantization/' in site.get("/query/quantizations").partition("<svg")[2].partition("</svg>")[0]
