-- title: Tokens that no rule recognizes
-- description: Tokens of repo names that no rule recognizes, by the number of repos: candidates for the vocabulary.
-- kind: report
-- param: least | integer | 1 | the least number of repos with the token
select token, repos, authors, downloads, example
from unclaimed_tokens
where repos >= :least
order by repos desc, downloads desc nulls last, token
limit 500
