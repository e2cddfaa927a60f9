-- title: Mixtures of experts by active size
-- description: Models that use a part of their parameters for each token: memory depends on the total, speed on the
--   active ones.
-- kind: report
select
    r.repo_id,
    l.family,
    l.size,
    l.experts,
    coalesce(l.parameters_measured, l.parameters) as total_parameters,
    coalesce(l.active_parameters_measured, l.active_parameters) as active_parameters,
    round(
        cast(
            100.0 * coalesce(l.active_parameters_measured, l.active_parameters)
            / coalesce(l.parameters_measured, l.parameters) as numeric
        ),
        1
    ) as percent_active,
    l.quant,
    r.total_size,
    r.downloads
from repo_labels as l
cross join repos as r
where
    r.id = l.repo
    and coalesce(l.active_parameters_measured, l.active_parameters) > 0
    and coalesce(l.parameters_measured, l.parameters) > 1.02 * coalesce(l.active_parameters_measured, l.active_parameters)
    and r.status <> 'gone'
order by active_parameters, total_parameters, r.downloads desc nulls last, r.repo_id
limit 500
