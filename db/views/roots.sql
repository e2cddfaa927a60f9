-- needs: lineage
-- How far each model is from where its lineage begins: one row a model with parents. A root is a model without known
-- parents; missing marks one that the catalog does not hold, so that its own parents are unknown.
select
    l.repo_id,
    max(l.depth) as depth, -- integer: steps to the farthest ancestor that is known
    count(distinct case when l.root or l.missing then l.ancestor end) as roots, -- integer: models where its lineage begins
    min(case when l.root or l.missing then l.ancestor end) as root, -- text: one of them
    max(case when l.missing then 1 else 0 end) = 1 as missing -- boolean: an ancestor is not in the catalog
from lineage l
group by l.repo_id
