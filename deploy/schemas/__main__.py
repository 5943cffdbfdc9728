"""Writes the schemas anew.

python -m deploy.schemas
"""

import sys

from deploy.schemas import FOLDER, TOPIC_RECORDS, describe


def main() -> None:
    """Write one file for each topic, and say which."""
    for record in TOPIC_RECORDS:
        path = FOLDER / record.file
        path.write_text(describe(record), encoding="utf-8")
        sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
