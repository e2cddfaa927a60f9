-- The files of the revisions of models that were asked for (crawl --repo owner/name@REVISION), one row a file and commit.
select
    r.repo_id,
    f.sha,
    f.path,
    f.size,
    nullif(lower(hex(f.blob_id)), '') as blob_id, -- text: git's sha1 of the content; unknown for LFS and Xet files
    nullif(lower(hex(f.sha256)), '') as sha256 -- text: sha256 of the content; LFS and Xet files only
from repo_revision_files f
join repos r on r.id = f.repo and r.type = 'model'
