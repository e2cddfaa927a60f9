-- Every label with its evidence: who says what, by which rule, with what weight; resolved marks what the label rests on.
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
