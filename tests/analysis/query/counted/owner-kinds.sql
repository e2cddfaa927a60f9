select
    coalesce(kind, 'unknown') as kind,
    count(*) as owners,
    cast(sum(repos) as bigint) as models,
    cast(sum(downloads) as bigint) as downloads
from authors
group by kind
order by models desc, kind
