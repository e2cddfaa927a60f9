-- title: Half-life of downloads
-- description: In how many days the monthly downloads of a model fell to half of their highest value, among the models
--   whose downloads are known on several days: by kind. not_yet counts those that have not fallen so far.
-- kind: report
-- param: min_downloads | integer | 100 | least downloads at the peak
with peaks as (
    select m.repo, max(m.downloads) as peak
    from metrics as m
    where m.downloads >= 100 and :min_downloads >= 100  -- an index holds these few
    group by m.repo
    having max(m.downloads) >= :min_downloads and exists (
        select 1 from metrics as o where o.repo = m.repo and o.day <> (
            select min(f.day) from metrics as f where f.repo = m.repo
        )
    )
    union all
    select m.repo, max(m.downloads)
    from metrics as m
    where :min_downloads < 100
    group by m.repo
    having count(*) > 1 and max(m.downloads) >= :min_downloads
),
tops as (
    select
        p.repo,
        p.peak,
        (select m.day from metrics as m where m.repo = p.repo and m.downloads = p.peak order by m.day limit 1) as day
    from peaks as p
),
falls as (
    select
        t.repo,
        t.day,
        (
            select m.day
            from metrics as m
            where m.repo = t.repo and m.day > t.day and 2 * m.downloads <= t.peak
            order by m.day
            limit 1
        ) as half
    from tops as t
),
parts as (  -- years begin in March, so that a leap day is the last of its year
    select
        d.day,
        d.day / 10000 - (14 - d.day / 100 % 100) / 12 as y,
        (d.day / 100 % 100 + 9) % 12 as m,
        d.day % 100 as d
    from (select day from falls union select half from falls where half is not null) as d
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
