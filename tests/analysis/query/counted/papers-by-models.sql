select
    kind,
    paper,
    models,
    authors,
    downloads,
    first_model
from (
select
    t.kind, -- text: arxiv or doi
    t.value as paper, -- text: its number at arXiv, or its DOI
    count(*) as models, -- integer: models that name it
    count(distinct r.author) as authors, -- integer: owners of these models
    cast(sum(r.downloads) as bigint) as downloads, -- integer: downloads of these models
    min(r.created_at) as first_model -- time: when the first of these models was created
from (
    select id, 'arxiv' as kind, substr(tag, 7) as value from tags where substr(tag, 1, 6) = 'arxiv:'
    union all
    select id, 'doi', substr(tag, 5) from tags where substr(tag, 1, 4) = 'doi:'
) t
join repo_tags p on p.tag = t.id
join repos r on r.id = p.repo and r.type = 'model' and r.status <> 'gone'
group by t.kind, t.value
) as counted
order by models desc, kind, paper
limit 1000
