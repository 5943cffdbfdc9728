"""A record that ends every process that reads it, as one does over which a native library crashes.

Python imports `sitecustomize` at its start: in processes that find this one, reading the record
is a kill -9.
"""

import os
from pathlib import Path

DEADLY = b"a record that nobody outlives"
_SOURCE = f"""
import os, signal
import encoder.record as record
read = record.unpack_embedding

def unpack_embedding(value):
    if value == {DEADLY!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(value)

record.unpack_embedding = unpack_embedding
"""


def deadly_path(folder: Path) -> str:
    """What PYTHONPATH has to be for such processes."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_SOURCE, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    return os.pathsep.join(map(str, filter(None, [folder, root, os.environ.get("PYTHONPATH")])))
