"""Which packets are decoded: as few as clips need, and never one without those it is made from."""

from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.clip import ClipFormat
from streamer.config import Decode
from streamer.decode_plan import DecodePlan, is_referenced, length_bytes
from tests.streamer.coded import NO_B_FRAMES, Coded, write_coded

EIGHT = ClipFormat(frames=8, width=64, height=48)  # a frame each 0.25 s
REFERENCED, UNREFERENCED = b"\x00\x00\x01\x41", b"\x00\x00\x01\x01"  # H.264 slices, by their heads
KEY = b"\x00\x00\x01\x65"
FPS = 25

Packets = list[tuple[float, bool, bytes]]


def judged(plan: DecodePlan, packets: Packets) -> list[float]:
    """The times of the packets that are decoded."""
    return [at for at, is_key, data in packets if plan.judge(at, is_key, data)]


def stream(seconds: float, key_every: float, referenced_every: int = 1) -> Packets:
    packets: Packets = []
    for i in range(round(seconds * FPS)):
        is_key = i % round(key_every * FPS) == 0
        data = KEY if is_key else REFERENCED if i % referenced_every == 0 else UNREFERENCED
        packets.append((i / FPS, is_key, data))
    return packets


@pytest.mark.parametrize("mode", ["all", "nonref", "auto"])
def test_what_others_are_made_from_is_always_decoded(mode: Decode):
    packets = stream(20, key_every=2)
    assert len(judged(DecodePlan(mode, EIGHT, "h264"), packets)) == len(packets)


def test_of_what_nobody_is_made_from_as_much_is_decoded_as_a_clip_may_show():
    packets = stream(20, key_every=10, referenced_every=25)  # one a second
    decoded = judged(DecodePlan("nonref", EIGHT, "h264"), packets)
    assert {at for at, _, data in packets if data != UNREFERENCED} <= set(decoded)
    assert len(decoded) < len(packets) / 2
    assert max(b - a for a, b in pairwise(decoded)) <= 0.125 + 1 / FPS
    for clip in range(9):
        assert sum(2 * clip <= at < 2 * clip + 2 for at in decoded) >= 8


def test_where_enough_is_decoded_anyway_the_rest_is_left_out():
    packets = stream(20, key_every=2, referenced_every=3)  # as with two B-frames: 0.12 s apart
    decoded = judged(DecodePlan("nonref", EIGHT, "h264"), packets)
    assert decoded == [at for at, _, data in packets if data != UNREFERENCED]


def test_of_an_intra_only_codec_every_picture_may_be_left_out():
    packets = [(at, True, b"\xff\xd8") for at, _, _ in stream(20, key_every=2)]
    decoded = judged(DecodePlan("auto", EIGHT, "mjpeg"), packets)
    assert len(decoded) <= 20 / 0.125 + 1
    assert max(b - a for a, b in pairwise(decoded)) <= 0.125 + 1 / FPS


def test_keyframes_alone():
    packets = stream(20, key_every=2)
    plan = DecodePlan("keyframes", EIGHT, "h264")
    assert judged(plan, packets) == [at for at, is_key, _ in packets if is_key]
    assert (plan.in_use, plan.keyframe_seconds) == ("keyframes", 2.0)


def test_keyframes_that_are_too_rare_are_not_enough():
    packets = stream(40, key_every=8)
    plan = DecodePlan("keyframes", EIGHT, "h264")
    decoded = judged(plan, packets)
    assert plan.in_use == "nonref"
    assert [at for at in decoded if at < 8] == [0]
    assert [at for at in decoded if at >= 8] == [at for at, _, _ in packets if at >= 8]


def test_auto_takes_keyframes_alone_once_they_fill_a_clip():
    packets = stream(20, key_every=0.2)
    plan = DecodePlan("auto", EIGHT, "h264")
    decoded = judged(plan, packets)
    assert plan.in_use == "keyframes"
    assert [at for at in decoded if at > 1] == [
        at for at, is_key, _ in packets if is_key and at > 1
    ]


def test_auto_goes_back_when_keyframes_become_rare():
    dense = stream(10, key_every=0.2)
    sparse = [(at + 10, is_key, data) for at, is_key, data in stream(10, key_every=2)]
    plan = DecodePlan("auto", EIGHT, "h264")
    judged(plan, dense)
    assert plan.in_use == "keyframes"
    decoded = judged(plan, sparse)
    assert plan.in_use == "nonref"
    # Between two key frames nothing can be decoded that was not from the first on
    assert [at for at in decoded if 10 < at < 12] == []
    assert len([at for at in decoded if at >= 12]) == 200


@given(
    st.sampled_from(["auto", "all", "nonref", "keyframes"]),
    st.lists(st.tuples(st.floats(-1, 4), st.integers(0, 3)), max_size=80),
)
def test_nothing_is_decoded_without_what_it_is_made_from(
    mode: Decode, kinds: list[tuple[float, int]]
):
    """Whatever a stream does: after a packet that others need was left out, a key frame follows."""
    plan, at, whole = DecodePlan(mode, EIGHT, "h264"), 0.0, True
    for step, kind in kinds:
        at += step
        is_key = kind == 3
        data = (UNREFERENCED, REFERENCED, REFERENCED, KEY)[kind]
        decoded = plan.judge(at, is_key, data)
        if is_key:
            whole = decoded
        elif decoded:
            assert whole or mode == "all"
        elif kind > 0:
            whole = False


@pytest.mark.parametrize("container", ["mp4", "ts"])
@pytest.mark.parametrize(
    ("coded", "share"),
    [
        (Coded(), (0.2, 0.8)),
        (Coded(options=NO_B_FRAMES), (1.0, 1.0)),
        (
            Coded("libx265", {"preset": "ultrafast", "x265-params": "bframes=3:log-level=none"}),
            (0.2, 0.8),
        ),
    ],
)
def test_heads_of_real_packets(
    tmp_path: Path, coded: Coded, share: tuple[float, float], container: str
):
    """FFmpeg, told to decode no picture that others do not need, decodes as many."""
    path = write_coded(tmp_path / f"film.{container}", coded, 100)
    with av.open(str(path)) as film:
        context = film.streams.video[0].codec_context
        context.skip_frame = "NONREF"
        lengths = length_bytes(context.name, context.extradata or b"")
        assert (lengths > 0) == (container == "mp4")
        needed = pictures = packets = 0
        for packet in film.demux(video=0):
            if packet.size:
                packets += 1
                needed += is_referenced(context.name, bytes(packet)[:4096], lengths) is not False
            pictures += len(packet.decode())
    assert needed == pictures
    assert share[0] <= needed / packets <= share[1]


@given(st.binary(max_size=40), st.integers(0, 4), st.sampled_from(["h264", "hevc", "vp9"]))
def test_any_bytes_are_judged(data: bytes, lengths: int, codec: str):
    assert is_referenced(codec, data, lengths) in (True, False, None)
    assert length_bytes(codec, data) in range(5)


def test_what_is_not_known_is_decoded():
    packets = [(at, is_key, b"") for at, is_key, _ in stream(10, key_every=2)]
    assert len(judged(DecodePlan("nonref", EIGHT, "vp9"), packets)) == len(packets)
