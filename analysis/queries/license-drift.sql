-- title: Licences from base model to derivative
-- description: How often models made from others keep the licence of their base model or state another one, by kind and by
--   what both licences demand. Pairs of which one states no licence have a row of their own.
-- kind: report
select
    m.kind,
    coalesce(b.license_spdx, 'no licence stated') as base_license,
    coalesce(m.license_spdx, 'no licence stated') as license,
    case
        when b.license_spdx is null or m.license_spdx is null then 'unknown'
        when b.license_spdx = m.license_spdx then 'kept'
        when b.license_kind = m.license_kind then 'changed, same demands'
        else 'changed, other demands'
    end as drift,
    count(*) as models,
    sum(m.downloads) as downloads
from models as m
join repos as r on lower(r.repo_id) = lower(m.base_model) and r.type = 'model' and r.status <> 'gone'
join repo_labels as b on b.repo = r.id
where m.base_model is not null and m.status <> 'gone'
group by m.kind, b.license_spdx, m.license_spdx, b.license_kind, m.license_kind
order by models desc, m.kind, base_license, license
