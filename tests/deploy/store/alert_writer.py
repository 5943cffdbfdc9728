"""Writes alerts to a store that others write to as well: folder, name, how many."""

import sys
from pathlib import Path

from tests.deploy.store.records import Clock, opened, reopen


def main() -> None:
    folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    store = reopen(folder, Clock(), shared=True)
    sys.stdin.readline()
    for number in range(count):
        store.alerts.write(opened(f"{name}-{number}"))
    store.close()


if __name__ == "__main__":
    main()
