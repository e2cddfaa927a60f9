-- title: Depth of the relation graph
-- description: How many models are how many steps from the farthest ancestor that is known; 0 names no parent. with_missing
--   counts those of which an ancestor is not in the catalog, so that their depth may be greater.
-- kind: report
select
    coalesce(l.depth, 0) as depth,
    count(*) as models,
    sum(case when l.missing then 1 else 0 end) as with_missing,
    sum(case when l.roots > 1 then 1 else 0 end) as with_several_roots,
    sum(r.downloads) as downloads
from repos as r
left join roots as l on l.repo_id = r.repo_id
where r.type = 'model' and r.status <> 'gone'
group by coalesce(l.depth, 0)
order by depth
