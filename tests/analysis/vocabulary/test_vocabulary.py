"""The vocabulary: whole as it ships, and a fault in it named by file and entry."""

from __future__ import annotations

import subprocess
import sys

import pytest
from gguf import GGMLQuantizationType, LlamaFileType

from analysis.errors import VocabularyError
from analysis.names import parse_name
from analysis.vocabulary.vocabulary import Vocabulary, load_vocabulary, packaged_files, vocabulary

INTEGERS = {"I8", "I16", "I32", "I64", "F64"}  # types of indices and sums: no scheme of weights


def sources(**changed: str) -> dict[str, bytes]:
    """The files as they ship, some with text added at their end."""
    return {name: data + changed.get(name, "").encode() for name, data in packaged_files().items()}


def test_the_vocabulary_loads() -> None:
    words = vocabulary()
    assert len(words.digest) == 16
    assert words.find("family", "gemma") is not None
    assert all(entry.about for entry in words.entries)


def test_the_digest_changes_with_every_byte() -> None:
    assert load_vocabulary(sources()).digest == vocabulary().digest
    assert load_vocabulary(sources(tuning="\n# a comment\n")).digest != vocabulary().digest


@pytest.mark.parametrize(
    ("name", "text", "entry", "reason"),
    [
        ("tuning", '\nnew = { words = ["new"] }\n', "new", "about"),
        ("tuning", '\nnew = { about = "x", words = ["New"] }\n', "new", "lower case"),
        ("tuning", '\nnew = { about = "x", words = ["sft"] }\n', "new", "already belongs to sft"),
        ("tuning", '\nnew = { about = "x", words = "new" }\n', "new", "list of words"),
        ("tuning", '\nnew = { about = "x", words = ["new"], bits = 4 }\n', "new", "bits"),
        ("tuning", "\nnew = 3\n", "new", "a table"),
        ("tuning", "\nnew = [\n", "", "Invalid value|end of document"),
        ("formats", '\n[new]\nabout = "x"\nwords = ["gguf"]\n', "new", "already belongs to gguf"),
        ("formats", '\n[new]\nabout = "x"\nwords = []\nextensions = ["bin"]\n', "new", "already belongs to pytorch"),
        ("formats", '\n[new]\nabout = "x"\nwords = []\nstored_as = "nothing"\n', "new", "names no format"),
        ("formats", '\n[new]\nabout = "x"\nwords = []\nquantized = "maybe"\n', "new", "quantized"),
        ("formats", '\n[new]\nabout = "x"\nwords = []\ntagged_files = "("\n', "new", "regular expression"),
        ("formats", '\n[new]\nabout = "x"\n', "new", "words"),
        ("words", '\n[more]\nx = { about = "x", words = ["xyz"] }\n', "more", "no such table"),
        ("families", '\n[lines.newline]\nabout = "x"\nversions = "3"\n', "newline", "versions"),
        ("schemes", '\n[gguf.Q9_K]\nabout = "x"\nbits = 9\n', "Q9_K", "`bits` is not a key"),
        ("schemes", '\n[packed.NEW]\nabout = "x"\naliases = ["nf4"]\n', "NEW", "already belongs to BNB-NF4"),
    ],
)
def test_an_error_names_its_file_and_entry(name: str, text: str, entry: str, reason: str) -> None:
    with pytest.raises(VocabularyError, match=reason) as raised:
        load_vocabulary(sources(**{name: text}))
    assert (raised.value.file, raised.value.entry) == (f"{name}.toml", entry)


def test_new_words_are_recognized() -> None:
    from analysis.names.lexicon import Lexicon
    from analysis.names.tokens import FAMILY

    extended: Vocabulary = load_vocabulary(
        sources(families='\n[brands.zorgon]\nabout = "Zorgon, a test"\naliases = ["zorg-on"]\n')
    )
    lexicon = Lexicon(extended)
    assert lexicon["Zorgon"].kind & FAMILY
    joined = lexicon.make_phrase_lexeme("Zorg-On")
    assert joined is not None and joined.entry is not None and joined.entry.value == "zorgon"


@pytest.mark.parametrize("kind", [kind.name for kind in LlamaFileType if kind.name != "GUESSED"])
def test_every_file_type_of_llama_cpp_is_known(kind: str) -> None:
    scheme = kind.removeprefix("MOSTLY_").removeprefix("ALL_")
    assert parse_name(f"Model-7B-{scheme}.gguf").quant == scheme


@pytest.mark.parametrize("kind", [kind.name for kind in GGMLQuantizationType if kind.name not in INTEGERS])
def test_every_tensor_type_of_ggml_is_known(kind: str) -> None:
    assert parse_name(f"Model-7B-{kind}.gguf").quant == kind


@pytest.mark.parametrize(
    ("written", "scheme"),
    [
        ("iq2xxs", "IQ2_XXS"), ("IQ2XXS", "IQ2_XXS"), ("q4km", "Q4_K_M"), ("Q4-K-M", "Q4_K_M"), ("q4_k_m", "Q4_K_M"),
        ("fp16", "F16"), ("fp32", "F32"), ("bfloat16", "BF16"), ("Q4_K_L", "Q4_K_L"), ("q5_0_l", "Q5_0_L"),
        ("UD-Q4_K_XL", "Q4_K_XL"), ("i1-IQ3_M", "IQ3_M"), ("IQ4_KS_R4", "IQ4_KS_R4"), ("Q4_0_8_8", "Q4_0_8_8"),
    ],
)  # fmt: skip
def test_spellings_of_schemes(written: str, scheme: str) -> None:
    assert parse_name(f"Model-7B-{written}.gguf").quant == scheme


def test_parsing_a_name_imports_no_heavy_package() -> None:
    code = (
        "import sys; from analysis.names import parse_name; parse_name('Qwen/Qwen3-8B');"
        "heavy = 'pandas', 'sqlalchemy', 'huggingface_hub', 'rapidfuzz', 'click', 'numpy';"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
