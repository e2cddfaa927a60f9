-- What model cards document, one row a model whose README.md was asked for by crawl --cards. bytes is 0 where it has no
-- card. A section counts if its heading, in English, says what it is about and it holds more than the template's words.
select
    r.repo_id,
    r.author,
    c.sha,
    c.bytes,
    c.fields,
    c.fields_filled,
    c.placeholders,
    c.intended_use,
    c.limits,
    c.bias,
    c.training_data,
    c.evaluation,
    c.environment,
    case when c.sha is not null and r.sha is not null then c.sha = r.sha end as is_current, -- boolean: of the present commit
    c.read_at,
    r.downloads
from model_cards c
join repos r on r.id = c.repo and r.type = 'model'
