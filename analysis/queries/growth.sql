-- title: Growth of the Hub by month
-- description: Models created in each month, of which kind, and all up to then. Repos that were deleted before the first
--   crawl are unknown, so that early months are too low; unfinished marks the month of the last crawl.
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
    select substr(cast(r.created_at as varchar), 1, 7) as month
    from named as n
    join repos as r on r.id = n.id
    join repo_labels as l on l.repo = r.id
    where l.kind is null and not exists (select 1 from edges as o where o.repo = r.id)
),
counted as (
    select t.b as month, t.a as kind, t.repos from totals as t where t.of = 'kind' and t.b <> ''
    union all
    select o.month, 'original', count(*) from originals as o where o.month is not null group by o.month
    union all
    select o.month, '', -count(*) from originals as o where o.month is not null group by o.month
)
select
    month,
    cast(sum(repos) as bigint) as new_repos,
    cast(sum(case when kind = 'original' then repos else 0 end) as bigint) as originals,
    cast(sum(case when kind = 'finetune' then repos else 0 end) as bigint) as finetunes,
    cast(sum(case when kind = 'adapter' then repos else 0 end) as bigint) as adapters,
    cast(sum(case when kind = 'merge' then repos else 0 end) as bigint) as merges,
    cast(sum(case when kind = 'quantized' then repos else 0 end) as bigint) as quantized_repos,
    cast(sum(case when kind = 'conversion' then repos else 0 end) as bigint) as conversions,
    cast(sum(case when kind = '' then repos else 0 end) as bigint) as unknown,
    cast(sum(sum(repos)) over (order by month) as bigint) as repos_until_then,
    month >= (select substr(cast(max(c.started_at) as varchar), 1, 7) from crawl_runs as c) as unfinished
from counted
group by month
order by month desc
