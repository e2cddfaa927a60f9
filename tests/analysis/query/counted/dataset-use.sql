select
    dataset,
    models,
    authors,
    downloads,
    first_model
from (
select
    t.value as dataset, -- text: repo id of the dataset as written; perhaps not in the catalog
    count(*) as models, -- integer: models that name it
    count(distinct r.author) as authors, -- integer: owners of these models
    cast(sum(r.downloads) as bigint) as downloads, -- integer: downloads of these models
    min(r.created_at) as first_model -- time: when the first of these models was created
from (select id, substr(tag, 9) as value from tags where substr(tag, 1, 8) = 'dataset:') t
join repo_tags p on p.tag = t.id
join repos r on r.id = p.repo and r.type = 'model' and r.status <> 'gone'
group by t.value
) as counted
order by models desc, dataset
limit 1000
