select
    coalesce(m.library_name, 'no library stated') as library_name,
    a.format,
    count(distinct m.repo_id) as repos,
    count(*) as artifacts,
    count(distinct a.quant) as schemes,
    sum(a.total_size) as total_size
from models as m
join artifacts_wide as a on a.hub_id = m.hub_id
where a.role = 'weights' and a.format is not null and m.status <> 'gone'
group by coalesce(m.library_name, 'no library stated'), a.format
order by repos desc, library_name, a.format
