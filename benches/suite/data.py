"""The data of the suite: CloudTrail as NDJSON, and the same as objects that CloudTrail puts into S3.

In: sizes in MB. Out: paths in benches/cache; what is there in that size is used again.
"""

import gzip
import shutil

from shared import CACHE, generated

# Unpacked bytes of an object, about as AWS makes them.
OBJECT_BYTES = 1_500_000


def ndjson(megabytes):
    """NDJSON of this size."""
    path = CACHE / f"cloudtrail-{megabytes}.ndjson"
    if not path.exists():
        part = path.with_suffix(".part")
        generated(megabytes, part)
        part.rename(path)
    return path


def s3_objects(megabytes):
    """A folder of `Records` objects in gzip, of so many MB unpacked."""
    folder = CACHE / f"s3-{megabytes}"
    if not folder.exists():
        part = CACHE / "s3.part"
        shutil.rmtree(part, ignore_errors=True)
        write_objects(ndjson(megabytes), part)
        part.rename(folder)
    return folder


def write_objects(source, folder):
    parts = "AWSLogs", "111122223333", "CloudTrail", "us-east-1", "2025"
    inner = folder.joinpath(*parts)
    inner.mkdir(parents=True)
    records, held, number = [], 0, 0
    with source.open("rb") as lines:
        for line in lines:
            records.append(line.rstrip())
            held += len(line)
            if held >= OBJECT_BYTES:
                write_object(inner / f"{number:05}.json.gz", records)
                records, held, number = [], 0, number + 1
    if records:
        write_object(inner / f"{number:05}.json.gz", records)


def write_object(path, records):
    text = b'{"Records":[' + b",".join(records) + b"]}"
    path.write_bytes(gzip.compress(text, 6, mtime=0))
