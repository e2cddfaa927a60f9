-- title: Claimed and counted sizes
-- description: Models whose name claims a number of parameters that differs from the tensors by more than a tenth.
-- kind: report
select
    repo_id,
    size,
    parameters,
    parameters_measured,
    round(cast(100.0 * (parameters_measured - parameters) / parameters as numeric), 1) as percent_off,
    architecture,
    downloads
from models
where
    parameters > 0 and parameters_measured > 0 and status <> 'gone' and coalesce(base_model_relation, '') <> 'adapter'
    and abs(parameters_measured - parameters) > 0.1 * parameters
order by abs(1.0 * (parameters_measured - parameters) / parameters) desc, repo_id
limit 500
