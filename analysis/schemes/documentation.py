"""docs/schemes.md, made from schemes.toml: `python -m analysis.schemes.documentation > docs/schemes.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from analysis.schemes.quality import quality_loss
from analysis.schemes.schemes import Scheme, scheme_table
from analysis.text import markdown_table
from analysis.units import count_text

INTRODUCTION = """# Quantization schemes

<!-- Made by `python -m analysis.schemes.documentation > docs/schemes.md` from analysis/schemes/schemes.toml; do not
edit. -->

Three numbers of bits per weight are kept apart:

- **nominal**: what the name says. 4 for `Q4_K_M`.
- **block**: what the packed weights take with their scales, by the layout of a block. `Q4_K` packs 256 weights in
  144 bytes: 4.5. A layout with a group size is that of the method's defaults.
- **file**: what whole files take, embeddings and norms included, measured on the models named at the end. 4.8944 for
  `Q4_K_M` of Llama 3.1 8B. Smaller models come out wider, for their embeddings weigh more.

`hf-catalog memory` estimates with the last of the three that is known. The loss is what was published: the rise of
perplexity, else the mean KL divergence or a sentence; a scheme without one has no published figures in the table.

The divergence by size is the mean KL divergence, in nats, of models {classes}, whose every weight has this type. Small
models lose far more below 4 bits. A file of the same name loses a little less, because it mixes types.

```sh
hf-catalog memory 8B --quant Q4_K_M --quant MXFP4 --quant AWQ
hf-catalog vocabulary ls --label scheme
```

A scheme that the table lacks is added in `analysis/schemes/schemes.toml`, whose head says what each key means. A new
tensor type of ggml also needs its number (`tensor_types.py`), a packed one a rule that counts its weights
(`analysis/formats/safetensors/packing`). Then `hf-catalog relabel` reads all names again.
"""
SECTIONS = (
    ("gguf", "GGUF", "Method `gguf`; loaded by {gguf}. Names may end in {suffixes}: then the values are the stem's."),
    ("full_precision", "Full precision", "Not quantized."),
    ("packed", "Others", "Named after the library or the number format."),
)
HEADINGS = (
    "scheme", "what it is", "run by, if not as its method", "method", "nominal", "block", "file", "group",
    "published loss", "divergence by size",
)  # fmt: skip


def write_document() -> str:
    """The whole page as Markdown."""
    table = scheme_table()
    words = {
        "gguf": ", ".join(table.methods["gguf"].runtimes),
        "suffixes": ", ".join(f"`_{suffix}`" for suffix in table.suffixes),
    }
    parts = [INTRODUCTION.replace("{classes}", _classes())]
    for kind, title, text in SECTIONS:
        rows = [_cells(scheme) for scheme in table.schemes.values() if scheme.kind == kind]
        parts.append(f"## {title}\n\n{text.format(**words)}\n\n{markdown_table(HEADINGS, rows)}")
    methods = [
        (
            f"`{method.name}`",
            ", ".join(method.runtimes),
            method.requires or "",
            "yes" if method.cuda else "",
            ", ".join(f"`{alias}`" for alias in method.aliases),
        )
        for method in table.methods.values()
    ]
    headings = ("method", "loaded by", "requires", "CUDA only", "also written")
    parts.append(f"## Methods\n\nThe label `quant_method`.\n\n{markdown_table(headings, methods)}")
    parts.append("## Sources\n\n" + "\n".join(_sources()) + "\n")
    return "\n".join(parts)


def _cells(scheme: Scheme) -> tuple[str, ...]:
    block = scheme.block
    layout = f"{scheme.block_bits:.6g} ({block.bytes} B / {block.weights})" if block else ""
    return (
        f"`{scheme.name}`",
        scheme.about + (f". {scheme.layout}" if scheme.layout else ""),
        _runtimes(scheme),
        scheme.method or "",
        _bits(scheme.nominal_bits) or _usual(scheme),
        layout + (" + rows" if scheme.row_scale else ""),
        _bits(scheme.file_bits),
        str(scheme.group_size or ""),
        _loss(scheme),
        ", ".join(f"{value:.3g}" for value in scheme.divergence),
    )


def _usual(scheme: Scheme) -> str:
    usual = scheme.default_bits or scheme.usual_bits
    return f"usually {usual:g}" if usual else ""


def _classes() -> str:
    bounds = [count_text(bound) for bound in scheme_table().divergence.up_to]
    return f"of up to {' and '.join(bounds)} parameters and above"


def _runtimes(scheme: Scheme) -> str:
    """Programs that run it, where they are not simply those of its method."""
    method = scheme_table().methods.get(scheme.method or "")
    return "" if method is not None and scheme.runtimes == method.runtimes else ", ".join(scheme.runtimes)


def _bits(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _loss(scheme: Scheme) -> str:
    found = quality_loss(scheme.name)
    return found.text if found else ""


def _sources() -> Iterator[str]:
    table = scheme_table()
    measured = {each.id: each for scheme in table.schemes.values() if (each := scheme.measured_on) is not None}
    for measurement in measured.values():
        yield f"- Bits of files, {measurement.model}: [{measurement.title}]({measurement.url})"
    sources = {scheme.quality.source.id: scheme.quality.source for scheme in table.schemes.values() if scheme.quality}
    sources[table.divergence.source.id] = table.divergence.source
    sources |= {each.source.id: each.source for each in table.findings} | {table.qat.source.id: table.qat.source}
    for source in sources.values():
        yield f"- Loss: [{source.title}]({source.url}), {source.year}: {source.measured}"


if __name__ == "__main__":
    sys.stdout.write(write_document())
