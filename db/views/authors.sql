-- The owners of the catalog's models, users and organizations alike, one row an owner. Models that vanished do not
-- count, and neither do the few old ones without an owner. kind is known where crawl --account-kinds asked for it.
select
    r.author,
    k.kind, -- text: user or organization; unknown where the Hub was not asked or shows neither
    count(*) as repos, -- integer: models
    cast(sum(r.downloads) as bigint) as downloads, -- integer: their downloads
    cast(sum(r.likes) as bigint) as likes, -- integer: their likes
    min(r.created_at) as first_created, -- time: when the first of them was created on the Hub
    max(r.last_modified) as last_modified, -- time: when one of them was last changed
    min(r.first_seen) as first_seen -- time: when the catalog first saw one of them
from repos r
left join account_kinds k on k.author = r.author
where r.type = 'model' and r.status <> 'gone' and r.author is not null
group by r.author, k.kind
