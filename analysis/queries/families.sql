-- title: Families by downloads
-- description: The families of models, with their repos, quantized copies, downloads and likes.
-- kind: report
select
    family,
    count(*) as repos,
    sum(case when quantized then 1 else 0 end) as quantized_repos,
    sum(downloads) as downloads,
    sum(likes) as likes,
    min(created_at) as first_created,
    max(created_at) as last_created
from models
where family is not null
group by family
order by downloads desc, family
