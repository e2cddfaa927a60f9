-- title: Parents that are not in the catalog
-- description: Models that others were made from but that are gone, renamed or were never listed.
-- kind: report
select
    p.parent,
    count(distinct p.repo_id) as made_from_it,
    sum(case when p.relation = 'quantized' then 1 else 0 end) as quantized_copies,
    sum(r.downloads) as downloads
from parents as p
join repos as r on r.repo_id = p.repo_id and r.type = 'model'
where p.parent_id is null
group by p.parent
order by made_from_it desc, p.parent
limit 500
