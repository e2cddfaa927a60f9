-- Each repo's parents, one row per parent with the most likely relation. parent_id is the parent's current id if it is
-- in the catalog (also after a rename; case-insensitive like the Hub), otherwise unknown.
select
    r.repo_id,
    e.parent,
    coalesce(p.repo_id, q.repo_id) as parent_id, -- text: the parent's current id; unknown if not in the catalog
    e.relation,
    e.source,
    e.declared
from edges e
join repos r on r.id = e.repo and r.type = 'model'
left join repos p on lower(p.repo_id) = lower(e.parent) and p.status <> 'gone' and p.type = r.type
left join aliases a on lower(a.repo_id) = lower(e.parent) and p.id is null
left join repos q on q.id = a.repo and q.type = 'model'
where not exists (
    select 1
    from edges o
    where o.repo = r.id and o.parent = e.parent
        and (
            case when o.declared then 0 else 1 end,
            case o.relation when 'unknown' then 1 else 0 end,
            case o.source when 'api' then 0 when 'card' then 1 when 'tag' then 2 when 'header' then 3 else 4 end,
            o.relation,
            o.source
        ) < (
            case when e.declared then 0 else 1 end,
            case e.relation when 'unknown' then 1 else 0 end,
            case e.source when 'api' then 0 when 'card' then 1 when 'tag' then 2 when 'header' then 3 else 4 end,
            e.relation,
            e.source
        )
)
