"""From evidence to labels: what a repo and each of its artifacts is, and which claims can't be true.

For every label the strongest evidence decides (analysis.labels.evidence.make.WEIGHT): header and tensor shapes before
config.json, the API's summary, a file's name, the card, the repo's name, its family's. What is claimed (by names,
cards, tags) and what is measured (in headers, config.json, the API's counts) are separate labels that stand side by
side; a pair that can't both be true is a conflict.

The same input always gives the same labels: nothing here uses the clock, the network or the database.

    repo, artifact     gather the evidence of a repo or an artifact and decide its labels: the entry points
    parents            which models it was made from; inheritance: what it inherits from them
    api_counts         the Hub's counts, checked against the claim
    rollup             a repo's labels from those of its artifacts
    select             the strongest evidence decides
    claimed_measured   tells claims from measurements, by their sources
    conflicts          what can't be true; scheme: the claimed scheme against the measured one
"""

from __future__ import annotations

from analysis.labels.resolve.artifact import label_artifact
from analysis.labels.resolve.repo import label_repo, label_repo_and_artifacts

__all__ = ["label_artifact", "label_repo", "label_repo_and_artifacts"]
