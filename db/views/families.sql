-- One row a family: how much of the Hub it is.
select
    l.family,
    count(*) as repos,
    sum(case when l.quantized then 1 else 0 end) as quantized_repos,
    count(distinct r.author) as authors,
    count(distinct l.version) as versions,
    count(distinct l.quant) as quants,
    sum(r.downloads) as downloads,
    sum(case when l.quantized then r.downloads else 0 end) as quantized_downloads,
    sum(r.likes) as likes,
    sum(r.total_size) as total_size,
    min(r.created_at) as first_created,
    max(r.created_at) as last_created
from repos r
join repo_labels l on l.repo = r.id
where l.family is not null and r.status <> 'gone'
group by l.family
