-- needs: models
-- Models whose weights are quantized, with their base model, if it is in the catalog.
select
    m.repo_id,
    m.author,
    m.family,
    m.version,
    m.size,
    m.format,
    m.quant,
    m.quant_measured,
    m.quant_method,
    m.bits,
    m.bits_per_weight,
    m.qat,
    m.imatrix,
    m.dynamic,
    coalesce(m.parameters_measured, m.parameters) as parameters, -- integer: measured, otherwise claimed
    m.total_size,
    m.artifact_count,
    m.downloads,
    m.likes,
    m.license,
    m.status,
    m.last_modified,
    m.base_model,
    b.author as base_author, -- text: owner of the base model, if it is in the catalog
    b.downloads as base_downloads, -- integer: its downloads
    b.total_size as base_total_size, -- integer: bytes of its files
    b.license as base_license, -- text: its licence
    b.status as base_status -- text: its status
from models m
left join repos b on lower(b.repo_id) = lower(m.base_model) and b.status <> 'gone' and b.type = 'model'
where m.quantized
