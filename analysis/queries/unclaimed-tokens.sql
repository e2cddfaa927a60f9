-- title: Words that no rule knows
-- description: Tokens of repo names that nothing claimed, by the repos they are in: tomorrow's vocabulary.
-- kind: report
-- param: least | integer | 1 | the fewest repos that a token is in
select token, repos, authors, downloads, example
from unclaimed_tokens
where repos >= :least
order by repos desc, downloads desc nulls last, token
limit 500
