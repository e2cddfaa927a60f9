-- title: Mixtures of experts by active size
-- description: Models that use a part of their parameters for each token: memory depends on the total, speed on the
--   active ones.
-- kind: report
select
    repo_id,
    family,
    size,
    experts,
    coalesce(parameters_measured, parameters) as total_parameters,
    coalesce(active_parameters_measured, active_parameters) as active_parameters,
    round(
        cast(
            100.0 * coalesce(active_parameters_measured, active_parameters) / coalesce(parameters_measured, parameters)
            as numeric
        ),
        1
    ) as percent_active,
    quant,
    total_size,
    downloads
from models
where
    coalesce(active_parameters_measured, active_parameters) > 0
    and coalesce(parameters_measured, parameters) > 1.02 * coalesce(active_parameters_measured, active_parameters)
    and status <> 'gone'
order by active_parameters, total_parameters, downloads desc nulls last, repo_id
limit 500
