-- title: Depth of the relation graph
-- description: How many models are how many steps from the farthest ancestor that is known; 0 names no parent. with_missing
--   counts those of which an ancestor is not in the catalog, so that their depth may be greater.
-- kind: report
with recursive names as (select distinct lower(e.parent) as name from edges as e),
-- the view roots answers the same for each model; here only parents that the catalog holds are followed
known as (
    select h.name, h.id
    from (
        select
            n.name,
            (
                select min(p.id) from repos as p
                where lower(p.repo_id) = n.name and p.status <> 'gone' and p.type = 'model'
            ) as id  -- no join, of which SQLite before 3.41 loses rows
        from names as n
    ) as h
    where h.id is not null
    union
    select lower(a.repo_id), q.id
    from aliases as a
    join repos as q on q.id = a.repo and q.type = 'model'
    where not exists (
        select 1
        from repos as p
        where lower(p.repo_id) = lower(a.repo_id) and p.status <> 'gone' and p.type = 'model'
    )
),
steps as (
    select distinct e.repo, k.id as parent from known as k join edges as e on lower(e.parent) = k.name
),
absent as (
    select distinct e.repo, e.parent from edges as e where lower(e.parent) not in (select k.name from known as k)
),
-- at most twelve steps, and none after one that returns to a model on the path
line (repo, ancestor, depth, cycle, path) as (
    select
        s.repo,
        s.parent,
        1,
        case when s.parent = s.repo then 1 else 0 end,
        '|' || cast(s.repo as varchar) || '|' || cast(s.parent as varchar) || '|'
    from steps as s
    union all
    select
        l.repo,
        s.parent,
        l.depth + 1,
        case when l.path like '%|' || cast(s.parent as varchar) || '|%' then 1 else 0 end,
        l.path || cast(s.parent as varchar) || '|'
    from line as l
    join steps as s on s.repo = l.ancestor
    where l.cycle = 0 and l.depth < 12
),
ends as (
    select
        l.repo,
        l.depth,
        case
            when l.cycle = 0 and not exists (select 1 from edges as e where e.repo = l.ancestor)
                then cast(l.ancestor as varchar)
        end as root,
        0 as missing
    from line as l
    union all
    select l.repo, l.depth + 1, m.parent, 1
    from line as l
    join absent as m on m.repo = l.ancestor
    where l.cycle = 0 and l.depth < 12
    union all
    select m.repo, 1, m.parent, 1 from absent as m where m.repo in (select s.repo from steps as s)
),
farthest as (
    select e.repo, max(e.depth) as depth, max(e.missing) as missing, count(distinct e.root) as roots
    from ends as e
    group by e.repo
    union all
    select m.repo, 1, 1, count(*) from absent as m where m.repo not in (select s.repo from steps as s) group by m.repo
)
select
    coalesce(f.depth, 0) as depth,
    count(*) as models,
    coalesce(sum(f.missing), 0) as with_missing,
    sum(case when f.roots > 1 then 1 else 0 end) as with_several_roots,
    sum(r.downloads) as downloads
from repos as r
left join farthest as f on f.repo = r.id
where r.type = 'model' and r.status <> 'gone'
group by coalesce(f.depth, 0)
order by depth
