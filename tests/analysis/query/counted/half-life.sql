with peaks as (
    select m.repo, max(m.downloads) as peak
    from metrics as m
    group by m.repo
    having count(*) > 1 and max(m.downloads) >= :min_downloads
),
tops as (
    select p.repo, p.peak, min(m.day) as day
    from peaks as p
    join metrics as m on m.repo = p.repo and m.downloads = p.peak
    group by p.repo, p.peak
),
falls as (
    select t.repo, t.day, min(m.day) as half
    from tops as t
    left join metrics as m on m.repo = t.repo and m.day > t.day and 2 * m.downloads <= t.peak
    group by t.repo, t.day
),
parts as (  -- years begin in March, so that a leap day is the last of its year
    select
        d.day,
        d.day / 10000 - (14 - d.day / 100 % 100) / 12 as y,
        (d.day / 100 % 100 + 9) % 12 as m,
        d.day % 100 as d
    from (select distinct day from metrics) as d
),
numbered as (
    select p.day, 365 * p.y + p.y / 4 - p.y / 100 + p.y / 400 + (306 * p.m + 5) / 10 + p.d as n from parts as p
),
dated as (
    select f.repo, f.half, h.n - t.n as days
    from falls as f
    join numbered as t on t.day = f.day
    left join numbered as h on h.day = f.half
),
ordered as (
    select
        m.kind,
        d.half,
        d.days,
        row_number() over (partition by m.kind, d.half is null order by d.days) as place,
        count(*) over (partition by m.kind, d.half is null) as counted
    from dated as d
    join repos as r on r.id = d.repo
    join models as m on m.hub_id = r.hub_id
)
select
    kind,
    sum(case when half is not null then 1 else 0 end) as models_fallen,
    sum(case when half is null then 1 else 0 end) as not_yet,
    round(cast(avg(case when half is not null and 2 * place in (counted, counted + 1, counted + 2) then days end) as numeric), 0)
        as median_days
from ordered
group by kind
order by models_fallen desc, kind
