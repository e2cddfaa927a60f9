-- title: Sources of labels
-- description: For each label, which source decided it and how often: header, config, card, tags, names.
-- kind: report
select
    field,
    source,
    pieces,
    decided,
    round(cast(1.0 * weight / pieces as numeric), 1) as mean_weight
from evidence_totals
order by field, decided desc, source
