select
    author,
    count(*) as repos,
    sum(case when quantized then 1 else 0 end) as quantized_repos,
    count(distinct family) as families,
    sum(downloads) as downloads,
    sum(likes) as likes,
    sum(total_size) as total_size,
    max(last_modified) as last_modified
from models
where author is not null and status <> 'gone'
group by author
order by downloads desc nulls last, author
limit 200
