-- The files of each repo's main revision; hashes in hexadecimal. sha256 is known of LFS and Xet files only.
select
    r.repo_id,
    f.path,
    f.size,
    encode(f.blob_id, 'hex') as blob_id,
    case when f.sha256 is not null then encode(f.sha256, 'hex') end as sha256
from repo_files f
join repos r on r.id = f.repo
