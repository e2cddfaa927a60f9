"""The process that runs the statements of web pages: analysis/query/process.py with the parameters of saved queries."""

from __future__ import annotations

from analysis.query import process
from crawler.web.parameters import add_parameter_functions

if __name__ == "__main__":
    process.main(add_parameter_functions)
