-- title: Licence conflicts by family
-- description: How many models of each family have a licence that drops what that of a base model demands.
-- kind: report
select
    coalesce(family, 'unknown') as family,
    base_license,
    license_spdx,
    count(distinct repo_id) as repos,
    sum(downloads) as downloads
from license_conflicts
group by coalesce(family, 'unknown'), base_license, license_spdx
order by repos desc, downloads desc nulls last, family, base_license, license_spdx
