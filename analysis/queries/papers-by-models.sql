-- title: Papers by models
-- description: The papers that most models name, by arXiv number or DOI, and the owners and downloads of these models.
-- kind: report
select
    kind,
    paper,
    models,
    authors,
    downloads,
    first_model
from papers
order by models desc, kind, paper
limit 1000
