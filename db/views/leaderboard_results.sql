-- The results that the Hub collects for each benchmark, a dataset (hf-catalog crawl --type dataset).
select
    r.repo_id as dataset, -- text: the benchmark's repo id
    b.rank,
    b.model,
    b.value,
    b.verified,
    b.source
from leaderboards b
join repos r on r.id = b.repo
