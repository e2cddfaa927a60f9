-- title: Concentration of downloads
-- description: How unevenly downloads, likes and repos are spread over models and over publishers: the Gini coefficient (0
--   equal, 1 all in one), the shares of the top 1 percent and of the top ten, and how many have half of all.
-- kind: report
with counted as (
    select 'models' as among, 'downloads' as what, r.downloads as n
    from repos as r
    where r.type = 'model' and r.status <> 'gone' and r.downloads is not null
    union all
    select 'models', 'likes', r.likes
    from repos as r
    where r.type = 'model' and r.status <> 'gone' and r.likes is not null
    union all
    select 'publishers', 'downloads', a.downloads from authors as a where a.downloads is not null
    union all
    select 'publishers', 'repos', a.repos from authors as a
),
ranked as (
    select
        c.among,
        c.what,
        c.n,
        row_number() over (partition by c.among, c.what order by c.n desc) as place,
        count(*) over (partition by c.among, c.what) as counted,
        sum(c.n) over (partition by c.among, c.what) as total,
        sum(c.n) over (partition by c.among, c.what order by c.n desc rows unbounded preceding) as cumulated
    from counted as c
)
select
    among,
    what,
    max(counted) as counted,
    max(total) as total,
    round(
        cast(1 + 1.0 / max(counted) - 2.0 * sum(1.0 * place * n) / nullif(max(counted) * max(total), 0) as numeric), 4
    ) as gini,
    round(
        cast(100.0 * sum(case when 100 * place <= counted + 99 then n else 0 end) / nullif(max(total), 0) as numeric), 1
    ) as percent_of_top_1_percent,
    round(cast(100.0 * sum(case when place <= 10 then n else 0 end) / nullif(max(total), 0) as numeric), 1)
        as percent_of_top_10,
    sum(case when 2 * (cumulated - n) < total then 1 else 0 end) as have_half
from ranked
group by among, what
order by among, what
