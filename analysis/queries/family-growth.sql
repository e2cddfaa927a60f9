-- title: Growing families
-- description: How many repos each family gained since a date, and how many it had before.
-- kind: report
-- param: since | date | 365d | repos that were found since then are new: 90d, 2026-01-01
with day as (select substr(cast(:since as text), 1, 10) as since),
-- models of the first day that were created before that time
earlier as (
    select
        l.family,
        count(*) as repos,
        sum(case when l.quantized then 1 else 0 end) as quantized_repos,
        sum(coalesce(r.downloads, 0)) as downloads
    from repos as r
    join repo_labels as l on l.repo = r.id
    where
        r.created_at >= (select min(t.first) from totals as t where t.of = 'day' and t.b >= (select since from day))
        and r.created_at < :since and r.status <> 'gone' and l.family is not null
    group by l.family
)
select
    t.a as family,
    sum(case when t.b >= (select since from day) then t.repos else 0 end) - coalesce(max(e.repos), 0) as new_repos,
    sum(case when t.b >= (select since from day) then 0 else t.repos end) + coalesce(max(e.repos), 0) as earlier_repos,
    sum(case when t.b >= (select since from day) then t.quantized_repos else 0 end)
        - coalesce(max(e.quantized_repos), 0) as new_quantized_repos,
    sum(case when t.b >= (select since from day) then t.downloads else 0 end)
        - coalesce(max(e.downloads), 0) as downloads_of_new,
    max(t.last) as last_created
from totals as t
left join earlier as e on e.family = t.a
where t.of = 'day'
group by t.a
order by new_repos desc, family
