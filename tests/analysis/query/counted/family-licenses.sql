select
    family,
    coalesce(license, 'no licence stated') as license,
    count(*) as repos,
    count(distinct author) as publishers,
    sum(case when gated is not null then 1 else 0 end) as gated_repos,
    sum(downloads) as downloads
from models
where family is not null and status <> 'gone' and (:family is null or lower(family) = lower(:family))
group by family, coalesce(license, 'no licence stated')
order by family, repos desc, license
