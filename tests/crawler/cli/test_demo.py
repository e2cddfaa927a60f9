"""The whole demo, as a new user runs it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

from tests.crawler.cli.test_crawl import ran


def test_the_demo_makes_a_catalog_and_says_what_to_try(demo: Path, tmp_path: Path) -> None:
    said_first = demo.with_name("demo.txt").read_text(encoding="utf-8")
    shutil.copy(demo, tmp_path / "demo.db")
    for said in ("Families", "gemma", "Q4_K_M", "16 GB", "Requests and time", "hf-catalog crawl"):
        assert said in said_first
    sql = "select quant_measured, parameters_measured from models where repo_id = 'google/gemma-3-4b-it-qat-q4_0-gguf'"
    with sqlite3.connect(tmp_path / "demo.db") as connection:
        quant, parameters = connection.execute(sql).fetchone()
        assert connection.execute("select count(*) from models").fetchone()[0] > 300
    assert quant == "Q4_0"
    assert 3.8e9 < parameters < 4.0e9, "the name says 4b"
    again = ran("demo", "--dir", tmp_path, "--json")
    assert again.returncode == 0, again.stderr
    result = json.loads(again.stdout)
    assert (result["crawl"]["repos_new"], result["crawl"]["repos_enriched"]) == (0, 0)
    assert result["crawl"]["api_requests"] < 10
