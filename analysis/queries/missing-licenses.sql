-- title: Models without a licence
-- description: Models whose card states no licence, the most downloaded first, with the licence of their base model.
-- kind: report
select m.repo_id, m.author, m.family, m.base_model, b.license_spdx as base_license, m.downloads
from models as m
left join models as b on b.repo_id = m.base_model
where m.license_spdx is null and m.status <> 'gone'
order by m.downloads desc nulls last, m.repo_id
