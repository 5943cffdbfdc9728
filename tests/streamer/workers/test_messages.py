"""What a worker and the server say to each other, as bytes."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from streamer.camera_record import CameraRecord, Credentials
from streamer.config import CameraSettings, ReadOptions
from streamer.source_facts import ReadTally
from streamer.workers.messages import (
    Counts,
    Cut,
    Ended,
    News,
    NewsReader,
    Order,
    Progress,
    Said,
    add_tally,
    receive_order,
    send_news,
    send_order,
)
from tests.streamer.script import FORMAT
from tests.streamer.watched import CALM

COUNTS = Counts({"ok": 2}, {"first": 1}, ReadTally(frames=7), 5.0, 3.0, is_file=True, shown=True)


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        yield ours, theirs


@pytest.mark.parametrize(
    "news",
    [
        Progress(COUNTS),
        Cut(COUNTS, b"clip" * 10_000, shared=False),
        Said(30, "streamer.source", "a line"),
        Ended(COUNTS, "SourceLostError", "It broke."),
    ],
)
def test_news_come_as_they_were_told_however_they_are_cut_up(wire, news: News):
    ours, theirs = wire
    reader = NewsReader(ours)
    assert reader.read(0.01) is None
    sender, receiver = socket.socketpair()
    with closing(sender), closing(receiver):
        send_news(sender, news)
        data = receiver.recv(1 << 20)
        theirs.sendall(data[:3])
        assert reader.read(0.01) is None
        theirs.sendall(data[3:-1])
        assert reader.read(0.01) is None
        theirs.sendall(data[-1:] + data)
    assert reader.read(1.0) == news
    assert reader.read(1.0) == news


def test_an_end_without_a_word_is_an_end(wire):
    ours, theirs = wire
    theirs.close()
    with pytest.raises(EOFError):
        NewsReader(ours).read(1.0)


@pytest.mark.parametrize("data", [b"\0\0\0\1?", b"\0\0\0\2\x81\xa1", b"\0\0\0\0"])
def test_what_a_damaged_process_sends_is_an_end(wire, data: bytes):
    ours, theirs = wire
    theirs.sendall(data)
    with pytest.raises(EOFError):
        NewsReader(ours).read(1.0)


def test_orders_take_their_secret_and_their_descriptors_along():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    record = CameraRecord(
        camera_id="yard",
        source="rtsp://camera/live",
        credentials=Credentials(sealed="admin:pa55word"),
        masks=(((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)),) * 32,
    )
    settings = CameraSettings(record.source, ReadOptions("yard", FORMAT), "own")
    config = replace(CALM, unseal=str, environ={})
    order = Order(record, settings, config, slots=3, not_before=1.0, watched_since=2.0)
    with closing(ours), closing(theirs), open(os.devnull) as null, closing(socket.socket()) as any_:
        send_order(ours, order, null.fileno(), any_.fileno())
        received = receive_order(theirs)
        assert received is not None
        told, ring, channel = received
        assert told == order
        assert os.fstat(ring).st_rdev == os.fstat(null.fileno()).st_rdev
        assert os.fstat(channel).st_ino == os.fstat(any_.fileno()).st_ino
        os.close(ring)
        os.close(channel)
        ours.close()
        assert receive_order(theirs) is None


def test_counts_of_connections_add_up():
    total, first = ReadTally(frames=10), ReadTally(frames=4, decode_errors=1, decode_seconds=0.5)
    first.evidence.problem = "full"
    add_tally(total, ReadTally(), first)
    add_tally(total, first, replace(first, frames=6))
    assert (total.frames, total.decode_errors, total.decode_seconds) == (16, 1, 0.5)
    assert total.evidence.problem == "full"
