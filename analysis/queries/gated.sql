-- title: Gated share by family
-- description: How many repos of each family require an access request, granted automatically or manually, and their
--   share of the downloads.
-- kind: report
select
    a as family,
    repos,
    gated_repos,
    manual_repos as by_hand,
    round(cast(100.0 * gated_repos / repos as numeric), 1) as percent_gated,
    round(cast(100.0 * gated_downloads / nullif(downloads, 0) as numeric), 1) as percent_of_downloads
from totals
where of = 'family'
order by gated_repos desc, family
