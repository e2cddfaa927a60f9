select
    family,
    sum(case when created_at >= :since then 1 else 0 end) as new_repos,
    sum(case when created_at < :since then 1 else 0 end) as earlier_repos,
    sum(case when created_at >= :since and quantized then 1 else 0 end) as new_quantized_repos,
    sum(case when created_at >= :since then downloads else 0 end) as downloads_of_new,
    max(created_at) as last_created
from models
where family is not null and created_at is not null and status <> 'gone'
group by family
order by new_repos desc, family
