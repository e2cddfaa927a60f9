-- needs: label_evidence
-- Every label with its evidence: source, value, rule and weight; resolved marks the evidence that decided.
select
    r.repo_id,
    a.artifact,
    e.field,
    e.value,
    e.source,
    e.rule,
    e.weight,
    x.resolved
from label_evidence x
join evidence e on e.id = x.evidence
join repos r on r.id = x.repo
left join artifacts a on a.id = x.artifact
