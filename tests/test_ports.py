import socket
import subprocess
import sys

from tests.conftest import ROOT
from tests.ports import BLOCK, blocks, ephemeral, free_ports

ANOTHER = "from tests.ports import free_ports; print(*free_ports(60))"


def test_the_system_chooses_none_of_them() -> None:
    low, high = ephemeral()
    assert not [port for port in free_ports(5) if low <= port <= high]


def test_blocks_lie_beside_what_the_system_chooses_from() -> None:
    firsts = blocks((20_050, 30_049))
    assert 19_900 in firsts
    assert 20_000 not in firsts
    assert 30_000 not in firsts
    assert 30_100 in firsts


def test_no_two_processes_have_the_same() -> None:
    mine = free_ports(60)
    command = [sys.executable, "-c", ANOTHER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(mine) & {int(port) for port in done.stdout.split()}
    assert len(set(mine)) == 60


def test_one_that_somebody_listens_on_is_left_out() -> None:
    with socket.create_server(("localhost", free_ports(1)[0])) as taken:
        port = taken.getsockname()[1]
        for _ in range(BLOCK // 10):  # once around: others of this process are in use, too
            assert port not in free_ports(10)
