-- Which pieces of evidence apply to which repo or artifact, one row a piece: the documents of repo_evidence written out.
select
    d.repo,
    d.first_artifact + cast(a.value as bigint) as artifact, -- integer: the artifact's number; 0 for the repo itself
    cast(p.value as bigint) / 2 as evidence, -- integer: the evidence's number
    cast(p.value as bigint) % 2 = 1 as resolved -- boolean: this piece gave the label its value
from repo_evidence d,
    json_each(d.pieces) g,
    json_each(g.value, '$[0]') a,
    json_each(g.value, '$[1]') p
