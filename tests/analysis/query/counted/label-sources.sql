with counted as (
    select evidence, count(*) as pieces, sum(case when resolved then 1 else 0 end) as decided
    from label_evidence
    group by evidence
)
select
    e.field,
    e.source,
    sum(c.pieces) as pieces,
    sum(c.decided) as decided,
    round(cast(1.0 * sum(e.weight * c.pieces) / sum(c.pieces) as numeric), 1) as mean_weight
from counted as c
join evidence as e on e.id = c.evidence
group by e.field, e.source
order by e.field, decided desc, e.source
