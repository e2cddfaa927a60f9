"""`python -m crawler.cli` is `hf-catalog`."""

from crawler.cli import main

main()
