"""Names -> labels. Pure: no network, no database, standard library only.

from analysis.names import read_name
read_name("google/gemma-3-4b-it-qat-q4_0-gguf").quant      # Q4_0
"""

from __future__ import annotations

from analysis.names.name_labels import NameLabels
from analysis.names.parse import parse_name
from analysis.names.tokens import Token

__all__ = ["NameLabels", "Token", "parse_name"]
