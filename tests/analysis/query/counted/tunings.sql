select
    l.value as tuning,
    count(distinct l.repo_id) as repos,
    count(distinct m.family) as families,
    sum(case when m.quantized then 1 else 0 end) as quantized_repos,
    sum(m.downloads) as downloads
from (select distinct repo_id, value from labels where field = 'tuning' and resolved and artifact is null) as l
join models as m on m.repo_id = l.repo_id
where m.status <> 'gone'
group by l.value
order by repos desc, tuning
