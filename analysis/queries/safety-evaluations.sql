-- title: Evaluations of bias and safety
-- description: Published results on TruthfulQA, BBQ, CrowS-Pairs, ToxiGen and similar; they seldom show the effect of
--   quantization, because few publishers measure both models.
-- kind: report
select
    m.repo_id,
    m.family,
    m.quant,
    m.base_model,
    e.dataset,
    e.metric,
    e.value,
    (
        select max(o.value)
        from repos as b
        join evaluations as o on o.repo = b.id and b.type = 'model'
        where b.repo_id = m.base_model and lower(o.dataset) = lower(e.dataset) and lower(o.metric) = lower(e.metric)
    ) as value_of_base
from models as m
join repos as r on r.repo_id = m.repo_id and r.type = 'model'
join evaluations as e on e.repo = r.id
where
    lower(e.dataset) like '%truthful%' or lower(e.dataset) like '%bbq%' or lower(e.dataset) like '%crows%'
    or lower(e.dataset) like '%toxi%' or lower(e.dataset) like '%winogender%' or lower(e.dataset) like '%stereoset%'
    or lower(e.dataset) like '%bold%' or lower(e.dataset) like '%harmbench%' or lower(e.dataset) like '%advbench%'
    or lower(e.dataset) like '%do-not-answer%' or lower(e.dataset) like '%safety%'
order by e.dataset, e.metric, e.value desc, m.repo_id
