"""References to repos as people paste them: addresses, package URLs, commands, cache folders, `owner/name:TAG`.

`find_reference` finds the parts and where they stand in the text. Sources of the forms: huggingface_hub (addresses,
`hf://` paths, cache folders `models--owner--name/snapshots/REVISION`), package-url/purl-spec (type huggingface), the
documentation of Ollama, llama.cpp (`-hf`, `-hff`), LM Studio (`lms get owner/name@TAG`, its models folder), vLLM, MLX.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from analysis.schemes.schemes import find_scheme_by_alias

Span = tuple[int, int]
"""Where a part begins and ends in the text."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A repo, or a file in it, that a text refers to; each part with its position.

    `tag` follows the name after `:` or `@`, or is a folder: a scheme, else `latest` or a provider of inference.
    """

    text: str
    name_at: Span
    owner_at: Span | None = None
    revision_at: Span | None = None
    file_at: Span | None = None
    tag_at: Span | None = None

    @property
    def repo_id(self) -> str:
        """`owner/name`, or the name alone."""
        return f"{self.owner}/{self.name}" if self.owner else self.name

    @property
    def owner(self) -> str | None:
        return self.part(self.owner_at)

    @property
    def name(self) -> str:
        return self.part(self.name_at) or ""

    @property
    def revision(self) -> str | None:
        return self.part(self.revision_at)

    @property
    def file(self) -> str | None:
        return self.part(self.file_at)

    @property
    def tag(self) -> str | None:
        return self.part(self.tag_at)

    def part(self, span: Span | None) -> str | None:
        """The text of a part, percent escapes decoded, folders separated by `/`."""
        return None if span is None else unquote(self.text[slice(*span)]).replace("\\", "/")


_END = r"\s?#\"'`<>"  # characters that end an address, a path or a tag
_WORD = rf"[^/\\:@{_END}]+"
_VERB = r"(?:blob|resolve|raw|tree|blame|commits?|edit|file/view|discussions|files|summary)"
_REPO = re.compile(rf"(?:(?P<owner>{_WORD})/(?!{_VERB}(?:/|\Z)))?(?P<name>{_WORD})")
_VIEW = re.compile(rf"/(?P<verb>{_VERB})(?:/(?P<revision>[^/{_END}]+)(?:/(?P<file>[^{_END}]+))?)?")
_TAG = re.compile(rf"(?P<mark>[:@])(?P<tag>[^/{_END}]+)(?:/(?P<file>[^{_END}]+))?")
_PATH = re.compile(rf"/(?P<file>[^{_END}]+)")
_HUB = re.compile(
    r"(?<![\w.-])(?:https?://)?(?:www\.)?(?:(?:huggingface\.co|hf\.co|hf-mirror\.com)[:/](?:api/)?(?:models/)?"
    r"|modelscope\.(?:cn|ai)/(?:api/v1/)?models/)"
    r"(?!(?:datasets|spaces|collections|papers|docs|blog|tasks|learn|settings|organizations|search)(?:/|\Z))", re.I
)  # fmt: skip
_REGISTRY = re.compile(
    r"(?<![\w.-])(?:https?://)?"
    r"(?:(?:registry\.)?ollama\.(?:com|ai)/(?:library/)?|(?:model\.)?lmstudio\.ai/(?:models|download)/)", re.I
)  # fmt: skip
_FILE_SYSTEM = re.compile(r"(?:hf|huggingface)://(?:models/)?(?!(?:datasets|spaces|buckets)/)", re.I)
_PACKAGE = re.compile(
    rf"pkg:huggingface/(?:(?P<owner>{_WORD})/)?(?P<name>{_WORD})(?:@(?P<revision>[^{_END}]+))?(?:\?[^\s#]*)?"
    r"(?:#(?P<file>\S+))?", re.I
)  # fmt: skip
_OPENED = re.compile(
    rf"lmstudio://open_from_hf\?model=(?:(?P<owner>{_WORD})/)?(?P<name>[^\s/&]+)(?:&file=(?P<file>[^\s&]+))?"
)
_CACHE = re.compile(
    r"(?<![^/\\\s\"'=])models--(?:(?P<owner>[^\s/\\]+?)--)?(?P<name>(?:(?!--)[^\s/\\\"'])+)"
    rf"(?:[/\\]snapshots[/\\](?P<revision>[^\s/\\]+)(?:[/\\](?P<file>[^{_END}]+))?)?"
)
_LM_STUDIO_FOLDER = re.compile(
    r"lm-?studio[/\\]models[/\\](?P<owner>[^/\\]+)[/\\](?P<name>[^/\\]+)(?:[/\\](?P<file>[^\"'`<>]+))?"
)
_PROGRAM = re.compile(
    r"(?:[$>%#!]\s*)?(?:sudo\s+)?(?:ollama|llama(?:-[a-z-]+)?|lms|vllm|hf|huggingface-cli|docker|ramalama|transformers"
    r"|mlx_[\w.]+|python3?|uvx?|git|wget|curl|aria2c|sglang|lemonade|jan|koboldcpp|aphrodite|text-[a-z]+-[a-z]+)"
    r"(?:\.exe)?\s", re.I
)  # fmt: skip
_OPTION = re.compile(
    rf"\s(?:-hfr|-hf|--hf-repo|--model-id|--model-path|--model|--repo-id|--repo|-m(?=\s[^\s]+/))[\s=][\"']?(?P<argument>[^{_END}]+)"
)
_ARGUMENT = re.compile(
    rf"\s(?:run|pull|push|show|serve|get|load|download|clone|chat|launch)(?:\s+--?[-\w]+)*\s+[\"']?(?P<argument>[^-{_END}][^{_END}]*)"
    r"(?:\s+(?P<file>[^-\s][^\s\"'*]*\.\w+)(?=\s|\Z))?"
)
_FILE_OPTION = re.compile(r"\s(?:-hff|--hf-file|--include|--filename)[\s=][\"']?(?P<file>[^\s\"'*]+)(?=[\"'\s]|\Z)")
_REVISION_OPTION = re.compile(r"\s--revision[\s=][\"']?(?P<revision>[^\s\"']+)")
_IN_CODE = re.compile(
    r"(?:from_pretrained|hf_hub_download|snapshot_download|pipeline|LLM|load)\([^\"']*(?:[\"'][\w-]+[\"'],[^\"']*)?[\"']"
    r"(?P<argument>[^\"'\s/]+/[^\"'\s]+)[\"']"
)
_QUOTES = " \"'`<>()"
_BRANCH = re.compile(r"[0-9.]+bpw([-_]h[0-9]+)?|gptq-.+", re.I)
"""Names of branches that hold a quantization, as EXL2, EXL3 and GPTQ repos have them."""

_BITS = re.compile(r"[0-9]{1,2}-?bits?|[0-9.]+bpw", re.I)


def may_refer(text: str) -> bool:
    """Whether a text can be a reference: a quick test for parsers of many plain names."""
    return ":" in text or "@" in text or " " in text or "--" in text or "\\" in text or text.count("/") > 1


def find_repo_id(text: str) -> str:
    """The repo id of what a user gives for a model: an id, or any reference to it."""
    found = find_reference(text) if may_refer(text) else None
    return text.strip().strip("/") if found is None else found.repo_id


def find_reference(text: str) -> Reference | None:
    """The reference that a text is; None for a plain repo id, name or path, and for what refers to no model."""
    for pattern in (_PACKAGE, _OPENED, _CACHE, _LM_STUDIO_FOLDER):
        if found := pattern.search(text):
            return _from_groups(text, found.span("name"), found)
    if found := next((found for pattern in (_HUB, _REGISTRY, _FILE_SYSTEM) if (found := pattern.search(text))), None):
        at = found.end()
        return _with_options(_at(text, at, files=found.re is _FILE_SYSTEM), text)
    if _PROGRAM.match(text):
        argument = _OPTION.search(text) or _ARGUMENT.search(text)
        return None if argument is None else _with_options(_at(text, argument.start("argument"), files=True), text)
    if (found := _IN_CODE.search(text)) is not None:
        return _at(text, found.start("argument"), files=False)
    return _marked(text)


def parse_selection(text: str) -> tuple[str, str]:
    """(repo id, scheme or file that is selected of it) of `REPO`, `REPO::SELECTOR` or a pasted reference.

    The selector is a reference's file, else its tag; `latest`, Ollama's default tag, selects nothing.
    """
    found = find_reference(text) if may_refer(text) else None
    if found is None:
        repo_id, _, selector = text.partition("::")
        return find_repo_id(repo_id), selector.strip()
    selector = found.file or found.tag or ""
    return found.repo_id, "" if selector.lower() == "latest" else selector


def _marked(text: str) -> Reference | None:
    """`owner/name:TAG`, `owner/name@REVISION`, `owner/name/blob/REVISION/FILE` and `owner/name::FILE`, also quoted."""
    start = len(text) - len(text.lstrip(_QUOTES))
    found = _REPO.match(text, start)
    if found is None or found["owner"] is None:
        return None
    if text.startswith("::", found.end()):
        return replace(_from_groups(text, found.span("name"), found), file_at=(found.end() + 2, len(text)))
    viewed = _VIEW.match(text, found.end())
    tagged = _TAG.fullmatch(text, found.end(), len(text.rstrip(_QUOTES)))
    return _at(text, start, files=True) if tagged or (viewed and viewed["revision"]) else None


def _at(text: str, start: int, *, files: bool) -> Reference | None:
    """The reference that begins at `start`; `files`: a path after the name is a file in the repo."""
    repo = _REPO.match(text, start)
    if repo is None:
        return None
    found = _VIEW.match(text, repo.end())
    if found is not None:
        plain = _from_groups(text, repo.span("name"), repo)
        if found["verb"] in ("discussions", "files", "summary") or found["revision"] is None:
            return plain
        plain = replace(plain, revision_at=found.span("revision"))
        if found["file"] is None:
            return plain
        at = found.span("file")
        return replace(plain, tag_at=at) if found["verb"] == "tree" else replace(plain, file_at=at)
    found = _TAG.match(text, repo.end())
    if found is not None and repo["owner"] is None and found["mark"] == ":":  # Ollama's own: `llama4:17b-scout-16e`
        return Reference(text, (repo.start("name"), found.end("tag")))
    plain = _from_groups(text, repo.span("name"), repo)
    if found is not None:
        revision = found["mark"] == "@" and (
            not _is_scheme(found["tag"]) or _BRANCH.fullmatch(found["tag"]) is not None
        )
        at = found.span("tag")
        plain = replace(plain, revision_at=at) if revision else replace(plain, tag_at=at)
    elif files:
        found = _PATH.match(text, repo.end())
    return replace(plain, file_at=found.span("file")) if found is not None and found["file"] else plain


def _is_scheme(text: str) -> bool:
    return find_scheme_by_alias(text) is not None or _BITS.fullmatch(text) is not None


def _from_groups(text: str, name_at: Span, found: re.Match[str]) -> Reference:
    """The reference whose parts are a match's groups of these names."""
    groups = found.re.groupindex
    spans = {f"{part}_at": found.span(part) for part in ("owner", "revision", "file") if part in groups and found[part]}
    return Reference(text, name_at, **spans)


def _with_options(found: Reference | None, text: str) -> Reference | None:
    """A reference in a command, with the file and the revision that stand beside it."""
    if found is None:
        return None
    beside = _FILE_OPTION.search(text) or _ARGUMENT.search(text)
    if found.file_at is None and beside is not None and beside["file"]:
        found = replace(found, file_at=beside.span("file"))
    revision = _REVISION_OPTION.search(text)
    return found if revision is None else replace(found, revision_at=revision.span("revision"))
