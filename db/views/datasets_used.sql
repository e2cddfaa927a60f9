-- Which datasets the models of the catalog name in their tags, one row a dataset. Models that vanished do not count.
select
    t.a as dataset, -- text: repo id of the dataset as written; perhaps not in the catalog
    t.repos as models, -- integer: models that name it
    (
        select count(*) from total_members m where m.of = 'dataset author' and m.a = t.a and m.b = ''
    ) as authors, -- integer: owners of these models
    case when t.counted_repos > 0 then t.downloads end as downloads, -- integer: downloads of these models
    t.first as first_model -- time: when the first of these models was created
from totals t
where t.of = 'dataset'
