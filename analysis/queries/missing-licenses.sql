-- title: Models without a licence
-- description: Models whose card states no licence, the most downloaded first, with the licence of their base model.
-- kind: report
select r.repo_id, r.author, l.family, l.base_model, o.license_spdx as base_license, r.downloads
from repos as r
join repo_labels as l on l.repo = r.id
left join repos as b on b.repo_id = l.base_model and b.type = 'model'
left join repo_labels as o on o.repo = b.id
where l.license_spdx is null and r.status <> 'gone'
order by r.downloads desc nulls last, r.repo_id
