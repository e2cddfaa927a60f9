-- title: Wrongly named quantizations
-- description: Artifacts whose scheme by name differs from the scheme of their tensors.
-- kind: report
select repo_id, artifact, quant, quant_measured, bits, bits_per_weight, parameters_measured, total_size, downloads
from artifacts_wide
where role = 'weights' and quant <> quant_measured and status <> 'gone'
order by downloads desc nulls last, repo_id, artifact
limit 500
