"""Search: what is found by which words, in which order, and how the index keeps up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from db.derive.search_document import document
from db.read import search
from db.read.search import Found, find, search_terms
from db.records import Enrichment, ListingPosition, Page
from db.write.store import Store
from tests.db.made import enrichment, labelled, page, repo

NAMES = {
    1: ("google/gemma-3-4b-it-qat-q4_0-gguf", 500_000),
    2: ("unsloth/gemma-3-4b-it-GGUF", 80_000),
    3: ("google/gemma-3-27b-it", 1_000_000),
    4: ("somebody/my-gemma-qat-14b", 3),
    5: ("FacebookAI/roberta-base", 9_000_000),
    6: ("google-bert/bert-base-uncased", 50_000_000),
    7: ("someone/quiet-writer", 1),
}


@pytest.fixture
def catalog(db: str) -> Iterator[str]:
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        quiet = {"card": {"summary": "Writes zebra stories with 100% café, for children_of all ages."}}
        entries = [
            (
                repo(n, repo_id=name, downloads=downloads, tags=("gguf",), **(quiet if n == 7 else {})),
                labelled(family=None),
            )
            for n, (name, downloads) in NAMES.items()
        ]
        store.save_page(run, "", Page(tuple(entries), (), None))
        yield db


def ids(found: Found) -> list[str]:
    return [hit.repo_id for hit in found.hits]


def test_all_words_in_any_order_the_best_match_first(catalog: str) -> None:
    assert ids(find(catalog, "gemma qat 4b")) == [NAMES[1][0]]  # 14b is not 4b
    assert ids(find(catalog, "4b gemma")) == [NAMES[1][0], NAMES[2][0]]
    assert ids(find(catalog, "gemma")) == [NAMES[3][0], NAMES[1][0], NAMES[2][0], NAMES[4][0]]


def test_a_whole_word_beats_a_more_popular_piece(catalog: str) -> None:
    assert ids(find(catalog, "bert")) == [NAMES[6][0], NAMES[5][0]]
    assert ids(find(catalog, "oberta")) == [NAMES[5][0]]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("google/gemma-3-27b-it", 3),
        ("GEMMA-3-27B", 3),
        ("q4_0", 1),
        ("Q4-0", 1),
        ("zebra stories", 7),
        ("café", 7),
        ("CAFÉ 100", 7),
        ("children_of", 7),
    ],
)
def test_ids_schemes_and_summaries_as_people_write_them(catalog: str, text: str, number: int) -> None:
    assert ids(find(catalog, text))[0] == NAMES[number][0]


TYPED = {
    1: "Qwen/Qwen3-Coder-30B-A3B-Instruct",
    2: "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF",
    3: "meta-llama/Llama-3.1-8B-Instruct",
    4: "google/gemma-3-4b-it",
    5: "bartowski/phi4-IQ4_XS-GGUF",
    6: "someone/sequence-classifier",
    7: "deepseek-ai/DeepSeek-R1",
    8: "someone/lama-inpainting",
    9: "google/gemma-30b",
}


@pytest.fixture
def typed(db: str) -> str:
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        names = TYPED.items()
        entries = [(repo(n, repo_id=name, downloads=100 * n, tags=()), labelled(family=None)) for n, name in names]
        store.save_page(run, "", Page(tuple(entries), (), None))
    return db


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("qwen coder 30b gguf", [2, 1]),
        ("qwen 3 coder", [1, 2]),
        ("gemma3 4b", [4]),
        ("gemma3", [4]),
        ("llama3.1 8b", [3]),
        ("phi 4", [5]),
        ("iq4xs", [5]),
        ("instruct llama", [3]),
    ],
)
def test_words_are_found_in_one_or_apart(text: str, numbers: list[int], typed: str) -> None:
    assert ids(find(typed, text)) == [TYPED[n] for n in numbers]


@pytest.mark.parametrize(
    ("text", "first", "corrected"),
    [
        ("quen coder", 1, {"quen": ("qwen",)}),
        ("quen3", 2, {"quen3": ("qwen3", "qwen 3")}),
        ("deepsekk r1", 7, {"deepsekk": ("deepseek",)}),
        ("gema 4b", 4, {"gema": ("gemma",)}),
        ("lamma instruct", 3, {"lamma": ("lama", "llama")}),
    ],
)
def test_misspelled_words(text: str, first: int, corrected: dict[str, tuple[str, ...]], typed: str) -> None:
    found = find(typed, text)
    assert ids(found)[0] == TYPED[first]
    assert found.corrected == corrected


def test_a_word_that_is_written_right_is_not_corrected(typed: str) -> None:
    """`lama` is a word of a name, so that `llama`, which contains it, is only a weaker match."""
    found = find(typed, "lama")
    assert found.corrected == {} and ids(found) == [TYPED[8], TYPED[3]]
    assert find(typed, "r2d2 nothing").corrected == {}


@pytest.mark.parametrize(
    "text", ["'", '"', "a OR b", "gemma AND NOT x", "*", "%", "_", "(", "near(a b)", "\x00", "é" * 300]
)
def test_no_text_is_a_syntax_error(catalog: str, text: str) -> None:
    assert find(catalog, text).hits == ()


def test_a_repo_is_found_by_each_scheme_that_its_files_have(db: str) -> None:
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1, 2]))
        visit = enrichment(1)
        held = [replace(one[1], labels=replace(one[1].labels, quant="IQ2_XXS")) for one in visit.artifacts]
        store.save_enrichments(run, [(replace(visit, artifacts=((visit.artifacts[0][0], held[0]),)), 0)])
    assert ids(find(db, "gemma iq2_xxs")) == [repo(1).repo_id]


def test_words_without_a_match_are_named(catalog: str) -> None:
    found = find(catalog, "gemma frobnicator")
    assert (found.hits, found.unknown) == ((), ("frobnicator",))


def test_a_renamed_and_a_vanished_repo(catalog: str) -> None:
    with Store.open(catalog) as store:
        run = store.start_run("full", "", "https://hub.example")
        renamed = repo(2, repo_id="unsloth/mythical-4b", downloads=80_000)
        store.save_page(run, "", Page(((renamed, labelled(family=None)),), (), None))
        store.set_status(run, repo(1).hub_id, "gone")
    assert ids(find(catalog, "mythical")) == ["unsloth/mythical-4b"]
    assert ids(find(catalog, "gemma 4b")) == []


def test_pending_models_are_counted_until_they_are_indexed(catalog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(catalog) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([8, 9]))
        renamed = [(repo(n, repo_id=f"acme/zebu-{n}", sha="d" * 40), labelled()) for n in (8, 9)]
        with monkeypatch.context() as patch:
            patch.setattr(search, "refresh", lambda rows, most: 0)
            store.save_page(run, "", Page(tuple(renamed), (), None))
        assert (find(catalog, "zebu").pending, ids(find(catalog, "zebu"))) == (2, [])
        assert store.index() == 2
    assert (find(catalog, "zebu").pending, len(ids(find(catalog, "zebu")))) == (0, 2)


def test_a_new_model_is_found_at_once_by_the_document_that_is_made_again_later(catalog: str) -> None:
    """Two ways lead to a document: from the page that shows the repo first, and from its rows."""
    sql = "select repo, text from search_documents order by repo"
    with Store.open(catalog) as store:
        with store._reading() as rows:
            at_first = rows.select(sql)
            assert len(at_first) == len(NAMES) and rows.select("select count(*) from search_pending")[0][0] == 0
        with store._writing() as rows:
            rows.execute("insert into search_pending (repo) select id from repos")
            rows.execute("delete from search_documents where repo > 5")
            if rows.dialect.name == "sqlite":
                search.rebuild(rows.connection)
        assert store.index() == len(NAMES)
        with store._reading() as rows:
            assert rows.select(sql) == at_first


AT_LATER = {"sha": "e" * 40}
VISITS = {
    "as the listing said": [enrichment(1)],
    "of another family": [enrichment(1, labelled=labelled(family="zephyr"))],
    "of files of another scheme": [enrichment(1, quant="IQ2_XXS")],
    "with more schemes": [enrichment(1, files=("a.gguf", "b.gguf")), enrichment(1, quant="IQ2_XXS")],
    "at a later commit": [enrichment(1, record=repo(1, tags=("gguf", "zebra"), **AT_LATER))],
    "of a card that is gone": [enrichment(1, record=repo(1, card={}, languages=(), **AT_LATER))],
    "twice, with a scheme fewer": [
        enrichment(1, quant="IQ2_XXS"),
        enrichment(1, record=repo(1, **AT_LATER)),
    ],
    "too shallow for its files": [enrichment(1, quant="IQ2_XXS"), enrichment(1, depth="listing", artifacts=())],
}


@pytest.mark.parametrize("visits", VISITS.values(), ids=VISITS)
def test_a_visit_leaves_nothing_alone_that_has_changed(db: str, visits: list[Enrichment]) -> None:
    """Rows that it does not write, because the listing is unchanged, equal those of a complete rewrite."""
    sql = "select text from search_documents"
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1]))
        for visit in visits:
            store.save_enrichments(run, [(visit, 0)])
        store.index()
        with store._reading() as rows:
            kept = rows.select(sql)
        with store._writing() as rows:
            rows.execute("insert into search_pending (repo) select id from repos")
        store.index()
        with store._reading() as rows:
            assert rows.select(sql) == kept
        record = visits[-1].repo
        assert store.load_repos([record.hub_id]) == {record.hub_id: record}


def test_the_index_agrees_with_its_documents(sqlite_db: str) -> None:
    """FTS5's own check: every document's trigrams are in the index, and no others."""
    with Store.open(sqlite_db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page(range(1, 60)))
        store.save_page(run, "", page(range(1, 60), tags=("other",), downloads=5))
        with store._writing() as rows:
            rows.execute("insert into search_index (search_index, rank) values ('integrity-check', 1)")


def test_of_a_common_word_the_most_downloaded_are_ranked(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "RANK_ALL_BELOW", 30)
    monkeypatch.setattr(search, "RANKED_MATCHES", 5)
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        for magnitude in range(4):
            numbers = range(20 * magnitude + 1, 20 * magnitude + 21)
            entries = [(repo(n, downloads=10**magnitude + n), labelled()) for n in numbers]
            store.save_page(run, "", Page(tuple(entries), (), ListingPosition("next")))
    best = find(db, "gemma", limit=3)
    assert [hit.downloads for hit in best.hits] == [1080, 1079, 1078]
    assert len(find(db, "gemma", limit=100).hits) <= 20, "RANKED_MATCHES, or an order of magnitude that holds as many"


def test_downloads_that_grew_by_an_order_of_magnitude_are_found_there(sqlite_db: str) -> None:
    with Store.open(sqlite_db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1], downloads=900))
        store.save_page(run, "", page([1], downloads=950))
        assert held(store).endswith("~d3")
        store.save_page(run, "", page([1], downloads=1000))
        assert held(store).endswith("~d4")


def held(store: Store) -> str:
    with store._reading() as rows:
        return str(rows.select("select text from search_documents")[0][0])


def test_a_document_says_each_thing_once_and_no_dull_ones() -> None:
    tags = ["gguf", "gemma", "region:us", "license:mit", "base_model:a/b", "text-generation", "endpoints_compatible"]
    said = document("acme/Gemma-3", ["gemma", None, "Q4_0"], tags, "", 12345)
    assert said == " acme gemma 3 \n q4 0 gguf text generation ~d5"


def test_a_card_is_untrusted_text() -> None:
    assert document("a/b", [], [], '{"card": {"summary": 7, "description": ["x"]}}', None) == " a b \n  ~d0"
    assert document("a/b", [], [], '{"card": [1, "summary"]}', 0) == " a b \n  ~d0"
    assert len(document("a/b", [], [], '{"card": {"summary": "' + "long " * 9000 + '"}}', 1)) < 1100


def test_pieces_of_a_question() -> None:
    assert search_terms("Gemma 4b 3 Q4_0 -- gemma") == ["gemma", " 4b", " 3 ", "q4 0"]


def test_a_server_without_trigrams_still_finds(postgresql: Any) -> None:
    url = postgresql.create("catalog_template")
    with Store.open(url) as store:
        with store._writing() as rows:
            rows.execute("drop index search_index")
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([1, 2]))
    assert len(find(url, "gemma acme").hits) == 2
