-- title: What model cards document
-- description: The sections and metadata of the model cards that crawl --cards read. A section that holds only the
--   template's words does not count, nor one whose heading is not in English.
-- kind: report
select
    s.part,
    sum(case when s.filled then 1 else 0 end) as models,
    count(*) as cards_read,
    round(cast(100.0 * sum(case when s.filled then 1 else 0 end) / count(*) as numeric), 1) as percent_of_cards_read
from (
    select 'a card' as part, bytes > 0 as filled from cards where bytes is not null
    union all
    select 'metadata', fields_filled > 0 from cards where fields_filled is not null
    union all
    select 'intended use', intended_use from cards where intended_use is not null
    union all
    select 'limits', limits from cards where limits is not null
    union all
    select 'bias', bias from cards where bias is not null
    union all
    select 'training data', training_data from cards where training_data is not null
    union all
    select 'evaluation', evaluation from cards where evaluation is not null
    union all
    select 'environment', environment from cards where environment is not null
) s
group by s.part
order by models desc, s.part
