-- title: Tunings
-- description: How models were trained (instruct, base, dpo, merge, abliterated ...), with their downloads.
-- kind: report
select
    t.a as tuning,
    t.repos,
    (select count(*) from total_members as m where m.of = 'tuning family' and m.a = t.a) as families,
    t.quantized_repos,
    case when t.counted_repos > 0 then t.downloads end as downloads
from totals as t
where t.of = 'tuning'
order by t.repos desc, tuning
