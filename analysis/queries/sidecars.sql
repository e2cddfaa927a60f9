-- title: Sidecars
-- description: Files beside the weights: projectors for images, importance matrices, adapters, draft models.
-- kind: report
select
    role,
    count(*) as artifacts,
    count(distinct repo_id) as repos,
    sum(total_size) as total_size,
    max(total_size) as greatest_size
from artifacts_wide
where role <> 'weights' and role in ('mmproj', 'imatrix', 'adapter', 'draft') and status <> 'gone'
group by role
order by artifacts desc, role
