-- title: Architectures
-- description: Architectures that headers and configurations state, and the families that use them.
-- kind: report
select
    t.a as architecture,
    t.repos,
    (select count(*) from total_members as m where m.of = 'architecture family' and m.a = t.a) as families,
    cast(t.least as bigint) as least_parameters,
    cast(t.most as bigint) as most_parameters,
    case when t.counted_repos > 0 then t.downloads end as downloads
from totals as t
where t.of = 'architecture'
order by t.repos desc, architecture
