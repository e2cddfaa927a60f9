-- title: Concentration of downloads
-- description: How unevenly downloads, likes and repos are spread over models and over publishers: the Gini coefficient (0
--   equal, 1 all in one), the shares of the top 1 percent and of the top ten, and how many have half of all.
-- kind: report
with counted as (
    select 'models' as among, 'downloads' as what, r.downloads as n, count(*) as held
    from repos as r
    where r.type = 'model' and r.status <> 'gone' and r.downloads is not null
    group by r.downloads
    union all
    select 'models', 'likes', r.likes, count(*)
    from repos as r
    where r.type = 'model' and r.status <> 'gone' and r.likes is not null
    group by r.likes
    union all
    select 'publishers', 'downloads', a.downloads, count(*)
    from author_totals as a where a.counted_repos > 0 group by a.downloads
    union all
    select 'publishers', 'repos', a.repos, count(*) from author_totals as a where a.repos > 0 group by a.repos
),
-- the different values, from the greatest: how many have it, how many have more, and their sum
summed as (
    select
        c.among,
        c.what,
        c.n,
        c.held,
        cast(sum(c.held) over (partition by c.among, c.what) as bigint) as counted,
        cast(sum(c.n * c.held) over (partition by c.among, c.what) as bigint) as total,
        cast(sum(c.held) over (partition by c.among, c.what order by c.n desc) as bigint) - c.held as above,
        cast(sum(c.n * c.held) over (partition by c.among, c.what order by c.n desc) as bigint) - c.n * c.held as sum_above
    from counted as c
)
select
    among,
    what,
    max(counted) as counted,
    max(total) as total,
    round(
        cast(
            1 + 1.0 / max(counted)
            - 2.0 * sum(1.0 * n * held * (2 * above + held + 1) / 2) / nullif(max(counted) * max(total), 0) as numeric
        ), 4
    ) as gini,
    round(
        cast(
            100.0 * sum(
                case
                    when above >= (counted + 99) / 100 then 0
                    when above + held <= (counted + 99) / 100 then n * held
                    else n * ((counted + 99) / 100 - above)
                end
            ) / nullif(max(total), 0) as numeric
        ), 1
    ) as percent_of_top_1_percent,
    round(
        cast(
            100.0 * sum(case when above >= 10 then 0 when above + held <= 10 then n * held else n * (10 - above) end)
            / nullif(max(total), 0) as numeric
        ), 1
    ) as percent_of_top_10,
    sum(
        case
            when 2 * sum_above >= total then 0
            when n = 0 or 2 * (sum_above + (held - 1) * n) < total then held
            else (total - 2 * sum_above + 2 * n - 1) / (2 * n)
        end
    ) as have_half
from summed
group by among, what
order by among, what
