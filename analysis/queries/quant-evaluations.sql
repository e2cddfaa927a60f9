-- title: Evaluations of quantized models and their originals
-- description: Results that the cards of a quantized model and of its original both report for the same dataset and
--   metric: the loss of accuracy, as their publishers measured it.
-- kind: report
-- param: model | text | | one original only; empty for all
select
    q.base_model,
    q.repo_id,
    q.quant,
    q.qat,
    e.dataset,
    e.metric,
    o.value as original_value,
    e.value as quantized_value,
    round(cast(e.value - o.value as numeric), 4) as delta
from quantized_models as q
join repos as r on r.repo_id = q.repo_id and r.type = 'model'
join evaluations as e on e.repo = r.id
join repos as b on b.repo_id = q.base_model and b.type = 'model'
join evaluations as o
    on o.repo = b.id and lower(o.dataset) = lower(e.dataset) and lower(o.metric) = lower(e.metric)
where :model is null or lower(q.base_model) = lower(:model)
order by q.base_model, q.repo_id, e.dataset, e.metric, e.position, o.position
