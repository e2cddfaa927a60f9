-- title: Kinds of repos
-- description: How many models are originals, finetunes, adapters, merges, quantized copies and conversions, and their
--   downloads; unknown where nothing tells.
-- kind: report
with parents as (select distinct lower(e.parent) as name from edges as e),
named as (
    select
        (
            select min(n.id) from repos as n where lower(n.repo_id) = p.name and n.type = 'model' and n.status <> 'gone'
        ) as id
    from parents as p
),
-- a model of unknown kind that names no base model is an original where others name it as theirs
originals as (
    select r.author, r.downloads, l.base_model
    from named as n
    join repos as r on r.id = n.id
    join repo_labels as l on l.repo = r.id
    where l.kind is null and not exists (select 1 from edges as o where o.repo = r.id)
),
counted as (
    select t.a as kind, t.repos, t.counted_repos, t.downloads from totals as t where t.of = 'kind'
    union all
    select 'original', count(*), count(o.downloads), coalesce(sum(o.downloads), 0) from originals as o
    union all
    select '', -count(*), -count(o.downloads), -coalesce(sum(o.downloads), 0) from originals as o
),
without_base as (
    select t.a as kind, t.repos from totals as t where t.of = 'kind without base'
    union all
    select 'original', count(*) from originals as o where o.base_model is null
    union all
    select '', -count(*) from originals as o where o.base_model is null
),
held as (select o.author, count(*) as repos from originals as o where o.author is not null group by o.author),
publishers as (
    select m.a as kind, count(*) as publishers from total_members as m where m.of = 'kind author' group by m.a
    union all
    select '', -count(*)
    from held as h
    join total_members as m on m.of = 'kind author' and m.a = '' and m.b = '' and m.member = h.author and m.repos = h.repos
    union all
    select 'original', count(*)
    from held as h
    where
        not exists (
            select 1
            from total_members as m
            where m.of = 'kind author' and m.a = 'original' and m.b = '' and m.member = h.author
        )
)
select
    coalesce(nullif(c.kind, ''), 'unknown') as kind,
    cast(sum(c.repos) as bigint) as repos,
    round(cast(100.0 * sum(c.repos) / sum(sum(c.repos)) over () as numeric), 1) as percent_of_repos,
    cast((select sum(p.publishers) from publishers as p where p.kind = c.kind) as bigint) as publishers,
    cast(case when sum(c.counted_repos) > 0 then sum(c.downloads) end as bigint) as downloads,
    round(
        cast(
            100.0 * case when sum(c.counted_repos) > 0 then sum(c.downloads) end / nullif(sum(sum(c.downloads)) over (), 0)
            as numeric
        ), 1
    ) as percent_of_downloads,
    cast(coalesce((select sum(w.repos) from without_base as w where w.kind = c.kind), 0) as bigint) as without_base_model
from counted as c
group by c.kind
having sum(c.repos) > 0
order by repos desc, kind
