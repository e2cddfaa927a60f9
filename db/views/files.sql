-- The files of each model's main revision; those of datasets and spaces are in other_files; hashes in hexadecimal. sha256 is known for LFS and Xet files only.
select
    r.repo_id,
    f.path,
    f.size,
    nullif(lower(hex(f.blob_id)), '') as blob_id, -- text: git's sha1 of the content; unknown for LFS and Xet files
    nullif(lower(hex(f.sha256)), '') as sha256, -- text: sha256 of the content; LFS and Xet files only
    f.scan_status,
    f.scans,
    a.pickle_verdict -- text: the worst import of a file that is an artifact by itself; of shards see artifacts_wide
from repo_files f
join repos r on r.id = f.repo and r.type = 'model'
left join artifacts a on a.repo = f.repo and a.artifact = f.path
