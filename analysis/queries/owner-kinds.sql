-- title: Models of users and of organizations
-- description: Owners by kind of account, as far as crawl --account-kinds asked the Hub; unknown where it was not asked,
--   or shows neither.
-- kind: report
select
    coalesce(k.kind, 'unknown') as kind,
    count(*) as owners,
    cast(sum(a.repos) as bigint) as models,
    cast(case when sum(a.counted_repos) > 0 then sum(a.downloads) end as bigint) as downloads
from author_totals as a
left join account_kinds as k on k.author = a.author
group by k.kind
order by models desc, kind
