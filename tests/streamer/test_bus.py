import pytest

from streamer.bus import TOPICS, murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "hashed"),
    [  # org.apache.kafka.common.utils.UtilsTest
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_keys_hash_as_in_kafka(key: bytes, hashed: int):
    assert murmur2(key) == hashed % 2**32


def test_keys_are_spread_over_all_partitions():
    assert {partition_of(f"camera-{i}", 24) for i in range(1000)} == set(range(24))
    assert partition_of("yard", 24) == partition_of("yard", 24)


def test_topics_are_those_of_the_design():
    names = {topic.name.removeprefix("watchword.") for topic in TOPICS}
    assert len(names) == len(TOPICS) == 12
    assert all(name.endswith(".v1") for name in names)
    compacted = {topic.name.split(".")[1] for topic in TOPICS if topic.compacted}
    assert compacted == {
        "cameras", "queries", "silences", "query-features", "alert-state", "health",
    }  # fmt: skip
