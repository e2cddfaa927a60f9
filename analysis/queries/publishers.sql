-- title: Publishers
-- description: The largest publishers: repos, quantized repos, families, downloads and bytes.
-- kind: report
with largest as (
    select *
    from author_totals
    order by case when counted_repos > 0 then downloads end desc nulls last, author
    limit 200
)
select
    t.author,
    t.repos,
    t.quantized_repos,
    (
        select count(*)
        from totals as f
        where
            f.of = 'family'
            and exists (
                select 1
                from total_members as m
                where m.of = 'family author' and m.a = f.a and m.b = '' and m.member = t.author
            )
    ) as families,
    case when t.counted_repos > 0 then t.downloads end as downloads,
    case when t.counted_repos > 0 then t.likes end as likes,
    nullif(t.total_size, 0) as total_size,
    (
        select max(r.last_modified)
        from repos as r
        where lower(r.author) = lower(t.author) and r.author = t.author and r.status <> 'gone' and r.type = 'model'
    ) as last_modified
from largest as t
order by downloads desc nulls last, t.author
