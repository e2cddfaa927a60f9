-- title: What labels rest on
-- description: For each label, which source decided it and how often: header, config, card, tags, names.
-- kind: report
select
    field,
    source,
    count(*) as pieces,
    sum(case when resolved then 1 else 0 end) as decided,
    round(cast(avg(weight) as numeric), 1) as mean_weight
from labels
group by field, source
order by field, decided desc, source
