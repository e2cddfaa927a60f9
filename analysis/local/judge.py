"""Decides what local artifacts are. The strongest evidence comes first:

    1. the content is one that a repo holds now, by sha256 or git's sha1 current
    2. it is one that a repo held                                        outdated, since when and what replaced it
    3. the store or a folder's name tells the repo and the file          outdated; modified if its tensors are the same
    4. without hashes: the size, and the file's name                     current
    5. the header describes the same tensors as a known one              modified
    6. the same shapes in other types, or what the header states         unknown, with the base model

Whatever the repo is: one that vanished, or has another id than the one the store knows, makes the state `gone`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.local.known import FormerFile, Known, KnownArtifact, KnownRepo
from analysis.local.records import LocalArtifact
from analysis.local.verdict import Evidence, State, Verdict, describe_changes, similarity
from db.records import Header

ReadHeader = Callable[[LocalArtifact], Header | None]
"""The header of a local artifact; None where it has none that can be read."""

ReadBlob = Callable[[LocalArtifact], str | None]
"""Git's sha1 of a local artifact of one file; None where it can't be read."""

MAX_GIT_FILE_BYTES = 10_000_000
"""Files above this size are in LFS or Xet on the Hub, with a sha256."""

MAX_CANDIDATES = 5
MIN_SIZE_ALONE = 1 << 20
"""Bytes below which an equal size alone says nothing."""

OWN_CONFIDENCE = 0.95
"""Of a header that describes the same tensors as the file that the store names."""


@dataclass(slots=True)
class Judge:
    """Judges artifacts together, so that each look-up is made once for all of them.

    `hashed`: contents were hashed where their size made it worthwhile, so that an artifact without a hash is none that
    the catalog knows. `read_header` and `read_blob` are called for artifacts that nothing else identifies.
    """

    known: Known
    read_header: ReadHeader
    read_blob: ReadBlob
    hashed: bool = True
    headers: dict[int, Header | None] = field(default_factory=dict)  # by the artifact's place
    _by_content: Mapping[str, Sequence[KnownArtifact]] = field(default_factory=dict)
    _former: Mapping[str, Sequence[FormerFile]] = field(default_factory=dict)
    _files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _repos: Mapping[str, KnownRepo] = field(default_factory=dict)
    _artifacts: Mapping[str, Sequence[KnownArtifact]] = field(default_factory=dict)

    def judge(self, artifacts: Sequence[LocalArtifact]) -> list[Verdict]:
        """The verdicts, in the order of the artifacts."""
        self._look_up(artifacts)
        found: list[Verdict | None] = [
            self._by_current_content(each) or self._by_former_content(each) for each in artifacts
        ]
        rest = [at for at, verdict in enumerate(found) if verdict is None]
        for at, kept_in_git in self._by_git_blob(rest, artifacts).items():
            found[at] = kept_in_git
        rest = [at for at in rest if found[at] is None]
        self._look_up_claims([artifacts[at] for at in rest])
        for at in rest:
            found[at] = self._by_origin(at, artifacts[at])
        rest = [at for at in rest if found[at] is None]
        if self.hashed:
            for at, verdict in zip(rest, self._by_tensors(rest, artifacts), strict=True):
                found[at] = verdict
        else:
            sizes = self.known.by_size(artifacts[at].size for at in rest)
            for at in rest:
                found[at] = self._by_size(artifacts[at], sizes.get(artifacts[at].size, ()))
        verdicts = self._with_replacements([verdict or Verdict("unknown") for verdict in found])
        return [self._with_changes(at, each, artifacts[at]) for at, each in enumerate(verdicts)]

    def header(self, at: int, artifact: LocalArtifact) -> Header | None:
        """The header of an artifact, read once."""
        if at not in self.headers:
            self.headers[at] = self.read_header(artifact)
        return self.headers[at]

    # ---- look-ups ---------------------------------------------------------------------------------------------------

    def _look_up(self, artifacts: Sequence[LocalArtifact]) -> None:
        contents = {content for each in artifacts if (content := each.content) is not None}
        self._by_content = self.known.by_content(contents)
        digests = {file.sha256 for each in artifacts for file in each.files if file.sha256}
        self._former = self.known.former(digests)
        self._repos = self.known.repos(each.origin.repo_id for each in artifacts if each.origin and each.origin.repo_id)
        shards = {file.sha256 for each in artifacts if len(each.files) > 1 for file in each.files if file.sha256}
        split = {former.repo.repo_id for digest in shards for former in self._former.get(digest, ())}
        self._files = self.known.hashes_by_path(split, "sha256")

    def _look_up_claims(self, artifacts: Iterable[LocalArtifact]) -> None:
        claimed = {repo.repo_id for each in artifacts if (repo := self._claimed(each)) is not None}
        self._artifacts = self.known.artifacts_of(claimed)

    def _claimed(self, artifact: LocalArtifact) -> KnownRepo | None:
        """The repo that the store or a folder names, as the catalog knows it now."""
        named = artifact.origin.repo_id if artifact.origin else None
        return self._repos.get(named.lower()) if named else None

    # ---- by content -------------------------------------------------------------------------------------------------

    def _by_current_content(self, artifact: LocalArtifact) -> Verdict | None:
        """A content that repos hold."""
        found = self._by_content.get(artifact.content or "", ())
        return self._held(artifact, found) if found else None

    def _by_git_blob(self, places: Sequence[int], artifacts: Sequence[LocalArtifact]) -> dict[int, Verdict]:
        """Small files that repos keep in git, without a sha256: by git's own hash, of those of equal size."""
        small = [at for at in places if len(artifacts[at].files) == 1 and 0 < artifacts[at].size <= MAX_GIT_FILE_BYTES]
        sized = self.known.by_size({artifacts[at].size for at in small})
        in_git = {size: [each for each in found if each.content is None] for size, found in sized.items()}
        repos = {each.repo.repo_id for found in in_git.values() for each in found}
        blobs = self.known.hashes_by_path(repos, "blob_id")
        verdicts = {}
        for at in small:
            candidates, file = in_git.get(artifacts[at].size, ()), artifacts[at].files[0]
            own = file.blob_id or (self.read_blob(artifacts[at]) if candidates and self.hashed else None)
            found = [each for each in candidates if own and blobs[each.repo.repo_id].get(each.paths[0]) == own]
            if found:
                evidence: Evidence = "name" if file.blob_id else "sha256"
                verdicts[at] = replace(self._held(artifacts[at], found), evidence=evidence)
        return verdicts

    def _held(self, artifact: LocalArtifact, found: Sequence[KnownArtifact]) -> Verdict:
        """A content that repos hold. One that the named repo has replaced is outdated, even if other repos hold it."""
        claimed = self._claimed(artifact)
        own = [each for each in found if claimed and each.repo.repo_id == claimed.repo_id]
        holders = tuple({each.repo.repo_id: each.repo for each in found}.values())
        former = self._by_former_content(artifact) if claimed and not own else None
        if former and former.repo and claimed and former.repo.repo_id == claimed.repo_id:
            return replace(former, holders=holders)
        there = [each for each in found if each.repo.is_there]
        chosen = prefer_path((own or there or found), artifact)
        repo = claimed if claimed and not own and not claimed.is_there else chosen.repo
        own_revision = artifact.origin.revision if artifact.origin and (own or not claimed) else None
        return settle_gone(
            Verdict(
                "current", evidence_of(artifact), repo, chosen.artifact, own_revision or repo.sha, chosen.quant,
                holders, detail=f"in {len(holders)} repos" if len(holders) > 1 else "",
            ),
            claimed if own or repo is claimed else None,
        )  # fmt: skip

    def _by_former_content(self, artifact: LocalArtifact) -> Verdict | None:
        """A content that a file of a repo had: of shards each must be one that this repo has or had at this path."""
        first = next((f.sha256 for f in artifact.files if f.sha256 and self._former.get(f.sha256)), None)
        if first is None or artifact.missing_shards:
            return None
        claimed = self._claimed(artifact)
        found = [each for each in self._former[first] if self._holds_or_held(each.repo.repo_id, artifact)]
        found.sort(key=lambda each: (claimed is None or each.repo.repo_id != claimed.repo_id, not each.repo.is_there))
        if not found:
            return None
        former = found[0]
        replaced = f"replaced on {former.until[:10]}"
        if former.current_artifact is None:
            replaced = f"removed on {former.until[:10]}"
        elif former.current_sha256:
            replaced += f" by sha256 {former.current_sha256}"
        verdict = Verdict(
            "outdated", evidence_of(artifact), former.repo, former.path,
            (artifact.origin and artifact.origin.revision) or former.revision, since=former.until,
            holders=(former.repo,), detail=replaced,
        )  # fmt: skip
        return settle_gone(verdict, claimed if claimed and claimed.repo_id == former.repo.repo_id else None)

    def _holds_or_held(self, repo_id: str, artifact: LocalArtifact) -> bool:
        """Whether all files of an artifact have, or had, a place in a repo."""
        current = set(self._files.get(repo_id, {}).values())
        return all(
            file.sha256 in current
            or any(each.repo.repo_id == repo_id for each in self._former.get(file.sha256 or "", ()))
            for file in artifact.files
        )

    # ---- by name ----------------------------------------------------------------------------------------------------

    def _by_origin(self, at: int, artifact: LocalArtifact) -> Verdict | None:
        """What the store or folders' names tell, where the content is none that the catalog knows."""
        repo, origin = self._claimed(artifact), artifact.origin
        if repo is None or origin is None:
            return None
        there = find_counterpart(artifact, self._artifacts.get(repo.repo_id, ()))
        revision = origin.revision
        if there is None:
            return self._without_counterpart(artifact, repo)
        verdict = Verdict("outdated", "name", repo, there.artifact, revision, there.quant, replacement=there)
        if artifact.missing_shards:
            verdict = replace(verdict, state="unknown", detail=f"{artifact.missing_shards} of its shards are missing")
        elif artifact.content is None and not self.hashed and artifact.size == there.size:
            verdict = replace(
                verdict, state="current", evidence="size", revision=revision or repo.sha, replacement=None,
                detail="a file of this name and size is in the repo",
            )  # fmt: skip
        elif not origin.recorded and self.hashed and self._has_same_tensors(at, artifact, there):
            verdict = replace(
                verdict, state="modified", evidence="tensors", confidence=OWN_CONFIDENCE, revision=None,
                detail=f"the tensors of {there.artifact}, but other bytes",
            )  # fmt: skip
        else:
            known = f" when it was last read on {repo.visited_at[:10]}" if repo.visited_at else ""
            verdict = replace(verdict, detail=f"{repo.repo_id} had another file of this name{known}")
        return settle_gone(verdict, repo)

    def _without_counterpart(self, artifact: LocalArtifact, repo: KnownRepo) -> Verdict | None:
        """A repo without such a file. Names of folders alone are no reason to believe that it ever had one."""
        origin = artifact.origin
        if origin is None or not (origin.recorded or not repo.is_there or repo.renamed_from):
            return None
        verdict = Verdict("outdated", "name", repo, origin.path, origin.revision)
        if repo.visited_at is None:
            same = origin.revision is not None and origin.revision == repo.sha
            state: State = "current" if same else "unknown"
            verdict = replace(verdict, state=state, detail="the catalog has not read this repo's files")
        else:
            verdict = replace(verdict, detail=f"{repo.repo_id} has no such file any more")
        return settle_gone(verdict, repo)

    def _has_same_tensors(self, at: int, artifact: LocalArtifact, other: KnownArtifact) -> bool:
        header = self.header(at, artifact)
        return header is not None and header.tensor_layout is not None and header.tensor_layout == other.tensor_layout

    # ---- by size ----------------------------------------------------------------------------------------------------

    def _by_size(self, artifact: LocalArtifact, found: Sequence[KnownArtifact]) -> Verdict | None:
        """Artifacts of the same size: those of the same name, else all if they have one content."""
        own = {path.rpartition("/")[2].lower() for path in (artifact.name, artifact.paths[0])}
        named = [each for each in found if each.file_name in own]
        chosen = named or (found if artifact.size >= MIN_SIZE_ALONE else [])
        if not chosen:
            return None
        if len({each.content or each.artifact for each in chosen}) > 1 and not named:
            candidates = tuple(dict.fromkeys(each.repo.repo_id for each in chosen))[:MAX_CANDIDATES]
            return Verdict("unknown", "size", candidates=candidates, detail="several files have this size")
        there = next((each for each in chosen if each.repo.is_there), chosen[0])
        evidence: Evidence = "name" if named else "size"
        detail = "a file of this name and size" if named else "the only file of this size"
        holders = tuple({each.repo.repo_id: each.repo for each in chosen if each.content == there.content}.values())
        return settle_gone(
            Verdict(
                "current", evidence, there.repo, there.artifact, there.repo.sha, there.quant, holders, detail=detail
            ),
            None,
        )

    # ---- by tensors -------------------------------------------------------------------------------------------------

    def _by_tensors(self, places: Sequence[int], artifacts: Sequence[LocalArtifact]) -> list[Verdict | None]:
        headers = [self.header(at, artifacts[at]) for at in places]
        layouts = {each.tensor_layout for each in headers if each is not None and each.tensor_layout is not None}
        shapes = {each.tensor_shapes for each in headers if each is not None and each.tensor_shapes is not None}
        same = self.known.by_tensors("tensor_layout", layouts)
        alike = self.known.by_tensors("tensor_shapes", shapes)
        found: list[Verdict | None] = []
        for at, header in zip(places, headers, strict=True):
            if header is None:
                found.append(None)
                continue
            layout = same.get(header.tensor_layout or 0, ())
            verdict = same_tensors(header, layout) if artifacts[at].role != "adapter" else None
            found.append(verdict or same_shapes(header, alike.get(header.tensor_shapes or 0, ())))
        return found

    def _with_replacements(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The verdicts, those of outdated artifacts with what their repo has at that path now."""
        lacking = [each.state == "outdated" and each.replacement is None for each in verdicts]
        asked = {each.repo.repo_id for each, lacks in zip(verdicts, lacking, strict=True) if lacks and each.repo}
        now = self.known.artifacts_of(asked)
        found = []
        for each, lacks in zip(verdicts, lacking, strict=True):
            there = now.get(each.repo.repo_id, ()) if lacks and each.repo else ()
            own = next((one for one in there if each.file in (one.artifact, *one.paths)), None)
            found.append(replace(each, replacement=own) if own else each)
        return found

    def _with_changes(self, at: int, verdict: Verdict, artifact: LocalArtifact) -> Verdict:
        """The verdict with what differs from what has its place now, and the quantization that its header shows."""
        if verdict.replacement is not None:
            header = self.header(at, artifact) if self.hashed else None
            changes = describe_changes(artifact.size, header, verdict.replacement)
            own_quant = header.quant if header else verdict.quant or verdict.replacement.quant
            verdict = replace(verdict, changes=changes, quant=own_quant)
        elif (
            verdict.quant is None
            and artifact.role != "imatrix"
            and self.hashed
            and (header := self.header(at, artifact)) is not None
        ):
            verdict = replace(verdict, quant=header.quant)
        return verdict


# ---- helpers --------------------------------------------------------------------------------------------------------


def evidence_of(artifact: LocalArtifact) -> Evidence:
    """What the artifact's hash rests on: our own reading, or what its store says."""
    return "sha256" if artifact.digest_source == "hash" else "name"


def prefer_path(found: Sequence[KnownArtifact], artifact: LocalArtifact) -> KnownArtifact:
    """Of artifacts with one content in one repo the one of the same path, else of the same name, else the first."""
    first = [each for each in found if each.repo.repo_id == found[0].repo.repo_id]
    path = artifact.origin.path if artifact.origin and artifact.origin.path else artifact.paths[0]
    name = path.rpartition("/")[2].lower()
    same_path = (each for each in first if path in (each.artifact, *each.paths))
    same_name = (each for each in first if name == each.file_name)
    return next(same_path, None) or next(same_name, None) or first[0]


def find_counterpart(artifact: LocalArtifact, there: Sequence[KnownArtifact]) -> KnownArtifact | None:
    """The repo's artifact that a local one claims to be: by path, by name, else the only one of its quantization."""
    origin = artifact.origin
    paths = {*artifact.paths, *([origin.path] if origin and origin.path else [])}
    names = {path.rpartition("/")[2].lower() for path in paths} | {artifact.name.rpartition("/")[2].lower()}
    for matches in (
        [each for each in there if paths & {each.artifact, *each.paths}],
        [each for each in there if each.file_name in names],
        [each for each in there if each.role == artifact.role and is_tagged(each, origin.quant if origin else None)],
    ):
        if len(matches) == 1:
            return matches[0]
    return None


def is_tagged(artifact: KnownArtifact, tag: str | None) -> bool:
    """Whether a runtime's tag means this artifact: its quantization, or the whole file name, in any case."""
    return tag is not None and tag.lower() in ((artifact.quant or "").lower(), artifact.file_name)


def settle_gone(verdict: Verdict, claimed: KnownRepo | None) -> Verdict:
    """The verdict with the state `gone` where its repo vanished, or is known under another id by the store."""
    repo = verdict.repo
    if claimed is not None and claimed.renamed_from is not None:
        detail = f"{claimed.renamed_from} is now {claimed.repo_id}"
        return replace(verdict, state="gone", repo=claimed, since=claimed.changed_at, detail=detail)
    if repo is not None and not repo.is_there:
        day = f" on {repo.changed_at[:10]}" if repo.changed_at else ""
        return replace(
            verdict, state="gone", since=repo.changed_at, detail=f"{repo.repo_id} vanished from the Hub{day}"
        )
    return verdict


def same_tensors(header: Header, found: Sequence[KnownArtifact]) -> Verdict | None:
    """A header that describes the same tensors as known ones: the one whose metadata agree most."""
    if not found:
        return None
    best, ranked = most_similar(header, found)
    equal = {each.content for each in ranked}
    chosen = ranked[0]
    others = dict.fromkeys(each.repo.repo_id for each in found if each.repo.repo_id != chosen.repo.repo_id)
    return settle_gone(
        Verdict(
            "modified", "tensors", chosen.repo, chosen.artifact, None, header.quant or chosen.quant,
            changes=describe_changes(chosen.size or 0, header, chosen),
            detail="same tensors, other metadata" if best < 1 else "a header that says the same, but other bytes",
            confidence=round((0.5 + 0.4 * best) / len(equal), 2),
            base_model=chosen.repo.base_model,
            candidates=tuple(others)[:MAX_CANDIDATES],
        ),
        None,
    )  # fmt: skip


def most_similar(header: Header, found: Sequence[KnownArtifact]) -> tuple[float, list[KnownArtifact]]:
    """The greatest similarity of metadata, 0 to 1, and the artifacts that have it, in their order."""
    scores = [similarity(header, each) for each in found]
    best = max(scores, default=0.0)
    return best, [each for each, score in zip(found, scores, strict=True) if score == best]


def same_shapes(header: Header, found: Sequence[KnownArtifact]) -> Verdict:
    """A file of unknown origin: its base model by models of the same shapes, else what the header states.

    Finetunes have the shapes of their base. So the models whose tokenizer and metadata agree most decide.
    """
    stated = [base["repo"] for base in header.facts.get("base_models", ()) if base.get("repo")]
    best, alike = most_similar(header, found)
    made_from = Counter(each.repo.base_model or each.repo.repo_id for each in alike)
    what = f"{header.architecture or header.format}, {header.parameters or 0:,} parameters"
    if not made_from:
        base = stated[0] if stated else None
        detail = f"{what}; its header names {base}" if base else what
        return Verdict("unknown", None, quant=header.quant, base_model=base, detail=detail)
    base, count = next(((each, made_from[each]) for each in stated if each in made_from), made_from.most_common(1)[0])
    candidates = tuple(dict.fromkeys(each.repo.repo_id for each in alike))[:MAX_CANDIDATES]
    return Verdict(
        "unknown", "tensors", quant=header.quant, base_model=base, candidates=candidates,
        confidence=round(best * count / made_from.total(), 2),
        detail=f"{what}; tensors of the same names and shapes as {base}",
    )  # fmt: skip
