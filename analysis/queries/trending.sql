-- title: Rising and falling downloads
-- description: How the monthly downloads of repos changed since a day in the catalog; after the first crawl only the
--   current values are known. Of more than 20,000 models only those that ever had 100 downloads are compared.
-- kind: report
-- param: since | text | 2000-01-01 | the first day, yyyy-mm-dd
with asked as (select cast(replace(:since, '-', '') as integer) as since),
-- models that ever had many downloads: another one can't have moved by as many
busy as (
    select m.repo from metrics as m where m.downloads >= 100 group by m.repo
),
span as (
    select
        b.repo,
        (select min(m.day) from metrics as m where m.repo = b.repo and m.day >= (select since from asked)) as first_day,
        (select max(m.day) from metrics as m where m.repo = b.repo and m.day >= (select since from asked)) as last_day
    from busy as b
),
busy_moved as (
    select
        s.repo, s.first_day, s.last_day, r.downloads,
        coalesce(l.downloads - f.downloads, 0) as downloads_change,
        coalesce(l.likes - f.likes, 0) as likes_change
    from span as s
    join repos as r on r.id = s.repo and r.status <> 'gone' and r.type = 'model'
    join metrics as l on l.repo = s.repo and l.day = s.last_day
    join metrics as f on f.repo = s.repo and f.day = coalesce(
        (select max(b.day) from metrics as b where b.repo = s.repo and b.day < (select since from asked)), s.first_day
    )
    order by abs(coalesce(l.downloads - f.downloads, 0)) desc, r.downloads desc nulls last, r.repo_id
    limit 200
),
-- the history of all models is read only where that is little: of a large catalog it takes minutes
enough as (
    select
        count(*) >= 200
        or (select sum(t.repos) from total_members as t where t."of" = 'state' and t.a = 'model') > 20000 as found
    from busy_moved as b
    where abs(b.downloads_change) >= 100
),
spans as (
    select m.repo, min(m.day) as first_day, max(m.day) as last_day
    from enough as e
    cross join metrics as m
    where not e.found and m.day >= (select since from asked)
    group by m.repo
),
-- the sum of the daily changes is the last value minus the one before the first day
moved as (
    select * from busy_moved where (select found from enough)
    union all
    select * from (
    select
        s.repo, s.first_day, s.last_day, r.downloads,
        coalesce(l.downloads - f.downloads, 0) as downloads_change,
        coalesce(l.likes - f.likes, 0) as likes_change
    from spans as s
    join repos as r on r.id = s.repo and r.status <> 'gone' and r.type = 'model'
    join metrics as l on l.repo = s.repo and l.day = s.last_day
    join metrics as f on f.repo = s.repo and f.day = coalesce(
        (select max(b.day) from metrics as b where b.repo = s.repo and b.day < (select since from asked)), s.first_day
    )
    order by abs(coalesce(l.downloads - f.downloads, 0)) desc, r.downloads desc nulls last, r.repo_id
    limit 200
) as every_model
)
select
    o.repo_id,
    o.family,
    o.quant,
    substr(cast(x.first_day as varchar), 1, 4) || '-' || substr(cast(x.first_day as varchar), 5, 2) || '-'
        || substr(cast(x.first_day as varchar), 7, 2) as first_day,
    substr(cast(x.last_day as varchar), 1, 4) || '-' || substr(cast(x.last_day as varchar), 5, 2) || '-'
        || substr(cast(x.last_day as varchar), 7, 2) as last_day,
    x.downloads_change,
    x.likes_change,
    x.downloads
from moved as x
join repos as r on r.id = x.repo and r.type = 'model'
join models as o on o.hub_id = r.hub_id
order by abs(x.downloads_change) desc, x.downloads desc nulls last, o.repo_id
