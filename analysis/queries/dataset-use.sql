-- title: Datasets by use
-- description: The datasets that most models name as those they were trained on, and the owners and downloads of these
--   models. Only models whose card lists datasets count.
-- kind: report
select
    dataset,
    models,
    authors,
    downloads,
    first_model
from datasets_used
order by models desc, dataset
limit 1000
