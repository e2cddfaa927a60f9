-- title: Licences over the years
-- description: The licences of the models created in each year, and their share of the models of that year: SPDX ids, as
--   cards state them. unfinished marks the year of the last crawl.
-- kind: report
select
    t.a as year,
    coalesce(nullif(t.b, ''), 'no licence stated') as license,
    (
        select max(m.member) from total_members as m where m.of = 'licence kind' and m.a = t.a and m.b = t.b
    ) as license_kind,
    t.repos,
    round(cast(100.0 * t.repos / sum(t.repos) over (partition by t.a) as numeric), 1) as percent_of_year,
    case when t.counted_repos > 0 then t.downloads end as downloads,
    t.a >= (select substr(cast(max(c.started_at) as varchar), 1, 4) from crawl_runs as c) as unfinished
from totals as t
where t.of = 'licence year'
order by year desc, repos desc, license
