-- title: Parents that are not in the catalog
-- description: Models that others were made from but that are gone, renamed or were never listed.
-- kind: report
with named as (
    select d.parent, count(*) as made_from_it
    from (select distinct e.parent, e.repo from edges as e) as d  -- only models have edges
    group by d.parent
    order by made_from_it desc, d.parent
    limit 1000000000  -- so that only the first are looked for below
),
missing as (
    select n.parent, n.made_from_it
    from named as n
    where
        not exists (
            select 1 from repos as p where lower(p.repo_id) = lower(n.parent) and p.status <> 'gone' and p.type = 'model'
        )
        and not exists (
            select 1
            from aliases as a
            join repos as q on q.id = a.repo and q.type = 'model'
            where lower(a.repo_id) = lower(n.parent)
        )
    limit 500
)
select
    m.parent,
    m.made_from_it,
    cast(sum(case when p.relation = 'quantized' then 1 else 0 end) as bigint) as quantized_copies,
    cast(sum(r.downloads) as bigint) as downloads
from missing as m
cross join parents as p
cross join repos as r
where lower(p.parent) = lower(m.parent) and p.parent = m.parent and r.repo_id = p.repo_id and r.type = 'model'
group by m.parent, m.made_from_it
order by m.made_from_it desc, m.parent
