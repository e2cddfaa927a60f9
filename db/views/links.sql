-- Which repos use which: models the datasets that their cards name, spaces their models and datasets.
select
    r.repo_id,
    r.type,
    'dataset' as target_type, -- text: model or dataset
    substr(t.tag, 9) as target, -- text: repo id as written; perhaps not in the catalog
    'tag' as source -- text: tag of a model, or api for what the Hub says of a space
from repo_tags l
join tags t on t.id = l.tag and t.tag like 'dataset:%'
join repos r on r.id = l.repo
union all
select
    r.repo_id,
    r.type,
    l.target_type,
    l.target,
    'api'
from repo_links l
join repos r on r.id = l.repo
