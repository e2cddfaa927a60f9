-- title: Tasks
-- description: The tasks of models, as the Hub states them: repos, quantized ones, families, downloads.
-- kind: report
select
    case when t.a = '' then 'no task stated' else t.a end as pipeline_tag,
    t.repos,
    t.quantized_repos,
    (select count(*) from total_members as m where m.of = 'task family' and m.a = t.a) as families,
    case when t.counted_repos > 0 then t.downloads end as downloads
from totals as t
where t.of = 'task'
order by downloads desc nulls last, pipeline_tag
