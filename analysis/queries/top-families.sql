-- title: Families by downloads
-- description: The families of models, with their repos, quantized copies, downloads and likes.
-- kind: report
select
    family,
    repos,
    quantized_repos,
    authors,
    quants,
    downloads,
    quantized_downloads,
    likes,
    first_created,
    last_created
from families
order by downloads desc nulls last, family
