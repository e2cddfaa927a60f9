-- title: Models of users and of organizations
-- description: Owners by kind of account, as far as crawl --account-kinds asked the Hub; unknown where it was not asked,
--   or shows neither.
-- kind: report
select
    coalesce(kind, 'unknown') as kind,
    count(*) as owners,
    cast(sum(repos) as bigint) as models,
    cast(sum(downloads) as bigint) as downloads
from authors
group by kind
order by models desc, kind
