-- needs: parents
-- Every ancestor of every repo: depth 1 is a parent. relation is how the repo's line leaves the ancestor (the last step),
-- missing says that the catalog does not hold the ancestor, cycle that the line has come back to where it was. Twelve
-- steps at most. Ask for one repo through the query ancestors; this view reckons all of them.
with recursive line (repo_id, ancestor, relation, declared, depth, missing, cycle, path) as (
    select
        p.repo_id,
        coalesce(p.parent_id, p.parent),
        p.relation,
        p.declared,
        1,
        p.parent_id is null,
        coalesce(p.parent_id, p.parent) = p.repo_id,
        '|' || p.repo_id || '|' || coalesce(p.parent_id, p.parent) || '|'
    from parents p
    union all
    select
        l.repo_id,
        coalesce(p.parent_id, p.parent),
        p.relation,
        l.declared and p.declared,
        l.depth + 1,
        p.parent_id is null,
        instr(l.path, '|' || coalesce(p.parent_id, p.parent) || '|') > 0,
        l.path || coalesce(p.parent_id, p.parent) || '|'
    from line l
    join parents p on p.repo_id = l.ancestor
    where not l.cycle and l.depth < 12
)
select
    repo_id,
    ancestor,
    relation,
    declared,
    depth,
    missing,
    cycle,
    not missing and not cycle and not exists (select 1 from parents p where p.repo_id = line.ancestor) as root
from line
