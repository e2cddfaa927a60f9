-- title: A model on an earlier day
-- description: Its id, commit, status, labels and counters as the catalog knew them at the end of that day, computed
--   from the current values and the events since. Empty if the catalog did not know it yet.
-- kind: interactive
-- param: model | text | google/gemma-3-4b-it | repo id, current or earlier
-- param: day | date | 0d | the day: 2026-06-01, or 30d for thirty days ago
with chosen as (
    select r.id
    from repos as r
    where
        r.type = 'model'
        and (
            lower(r.repo_id) = lower(:model)
            or r.id in (select a.repo from aliases as a where lower(a.repo_id) = lower(:model))
        )
),
present as (
    select r.id, 1 as place, 'repo_id' as field, r.repo_id as value from repos as r
    union all select r.id, 2, 'sha', r.sha from repos as r
    union all select r.id, 3, 'status', r.status from repos as r
    union all select l.repo, 4, 'family', l.family from repo_labels as l
    union all select l.repo, 5, 'version', l.version from repo_labels as l
    union all select l.repo, 6, 'size', l.size from repo_labels as l
    union all select l.repo, 7, 'format', l.format from repo_labels as l
    union all select l.repo, 8, 'quant', l.quant from repo_labels as l
    union all select l.repo, 9, 'base_model', l.base_model from repo_labels as l
),
since as (
    select
        e.repo,
        case e.kind when 'renamed' then 'repo_id' when 'commit' then 'sha' else e.subject end as field,
        e.before,
        row_number() over (
            partition by e.repo, case e.kind when 'renamed' then 'repo_id' when 'commit' then 'sha' else e.subject end
            order by e.at, e.id
        ) as place
    from events as e
    where e.repo in (select id from chosen) and substr(cast(e.at as text), 1, 10) > substr(cast(:day as text), 1, 10)
),
counted as (
    select m.repo, m.downloads, m.likes
    from metrics as m
    where
        m.repo in (select id from chosen)
        and m.day <= cast(replace(substr(cast(:day as text), 1, 10), '-', '') as integer)
    order by m.day desc
    limit 1
)
select t.field, t.value
from (
    select p.place, p.field, case when s.repo is null then p.value else s.before end as value
    from present as p
    left join since as s on s.repo = p.id and s.field = p.field and s.place = 1
    where p.id in (select id from chosen)
    union all
    select 10, 'downloads', cast(c.downloads as text) from counted as c
    union all
    select 11, 'likes', cast(c.likes as text) from counted as c
) as t
where
    exists (
        select 1
        from repos as r
        where
            r.id in (select id from chosen)
            and substr(cast(r.first_seen as text), 1, 10) <= substr(cast(:day as text), 1, 10)
    )
order by t.place
