-- title: Publishers and their schemes
-- description: Which schemes each publisher offers, in how many repos and files.
-- kind: report
-- param: author | text | | one publisher only; empty for all
select
    nullif(author, '') as author,
    quant,
    nullif(quant_method, '') as quant_method,
    repos,
    artifacts,
    imatrix_artifacts as with_imatrix,
    dynamic_artifacts as dynamic_mixes,
    nullif(total_size, 0) as total_size
from author_schemes
where :author is null or lower(author) = lower(:author)
order by artifacts desc, author, quant, quant_method
limit 500
