"""A bill of materials of local files: what `identify` found, with the hashes of the files that are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from analysis.local.verdict import Identity
from analysis.publish.sbom.facts import BillFile, BillModel, load_bill_model
from analysis.query.reader import CatalogReader


def load_local_models(reader: CatalogReader, identities: Sequence[Identity]) -> tuple[list[BillModel], list[BillFile]]:
    """A model for each repo and revision with the files that are here, and the files that are from no known repo.

    Only what is current, outdated or gone by its content, or recorded by its store, is a file of a repo.
    """
    by_revision: defaultdict[tuple[str, str | None], dict[str, BillFile]] = defaultdict(dict)
    others: dict[str, BillFile] = {}
    for identity in identities:
        verdict, artifact = identity.verdict, identity.artifact
        files = zip(artifact.paths, artifact.files, strict=True)
        if verdict.repo is None or verdict.state in ("modified", "unknown"):
            others |= {str(f.shown): BillFile(str(f.shown), f.size, f.sha256, f.blob_id) for _, f in files}
            continue
        places = [path if len(artifact.files) > 1 else verdict.file or path for path in artifact.paths]
        for path, file in zip(places, artifact.files, strict=True):
            key = (verdict.repo.repo_id, verdict.revision)
            by_revision[key][path] = BillFile(path, file.size, file.sha256, file.blob_id)
    models = []
    for (repo_id, revision), found in sorted(by_revision.items(), key=lambda each: (each[0][0], each[0][1] or "")):
        model = load_bill_model(reader, repo_id, only=found.keys())
        row = {**model.model, "sha": revision}
        models.append(replace(model, model=row, files=[found[path] for path in sorted(found)]))
    return models, [others[path] for path in sorted(others)]
