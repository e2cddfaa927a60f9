-- title: Claimed and counted sizes
-- description: Models whose name claims a number of parameters that differs from the tensors by more than a tenth.
-- kind: report
select
    r.repo_id,
    l.size,
    l.parameters,
    l.parameters_measured,
    round(cast(100.0 * (l.parameters_measured - l.parameters) / l.parameters as numeric), 1) as percent_off,
    l.architecture,
    r.downloads
from repo_labels as l
cross join repos as r
where
    l.parameters > 0 and l.parameters_measured > 0 and abs(l.parameters_measured - l.parameters) > 0.1 * l.parameters
    and r.id = l.repo and r.status <> 'gone' and coalesce(l.base_model_relation, '') <> 'adapter'
order by abs(1.0 * (l.parameters_measured - l.parameters) / l.parameters) desc, r.repo_id
limit 500
