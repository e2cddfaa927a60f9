-- title: Licences by family
-- description: The licences of the repos of each family, as their cards state them.
-- kind: report
-- param: family | text | | one family only; empty for all
select
    t.a as family,
    case when t.b = '' then 'no licence stated' else t.b end as license,
    t.repos,
    (
        select count(*) from total_members as m where m.of = 'licence author' and m.a = t.a and m.b = t.b
    ) as publishers,
    t.gated_repos,
    case when t.counted_repos > 0 then t.downloads end as downloads
from totals as t
where t.of = 'licence' and (:family is null or lower(t.a) = lower(:family))
order by family, t.repos desc, license
