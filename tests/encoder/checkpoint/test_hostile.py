"""Checkpoints made to harm: nothing of them is run, nothing is unpacked, each is refused."""

import contextlib
import io
import os
import pickle
import struct
import subprocess
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.checkpoint import read_state
from encoder.checkpoint.archive import MAX_RECORDS
from encoder.checkpoint.pickle_data import Made, Named, PickleError, read_pickle
from encoder.errors import CheckpointError
from tests.encoder.checkpoint.crafted import (
    FALSE,
    built,
    call,
    dict_of,
    integer,
    integers,
    name,
    stored,
    tensor_of,
    tensors,
    text,
    tuple_of,
    write_archive,
    write_lightning,
)

GOOD = {"model.weight": torch.arange(6.0)}
BYTES = {"data/0": b"\0" * 24}


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """Whatever the pickles below ask for ends the test if it is called."""

    def fail(*_args, **_options):
        raise AssertionError("code of the checkpoint was run")

    for owner, attribute in ((os, "system"), (os, "popen"), (subprocess, "Popen")):
        monkeypatch.setattr(owner, attribute, fail)


def refused(path, sentence):
    with pytest.raises(CheckpointError, match=sentence) as caught:
        read_state(path)
    assert str(path) in str(caught.value)


ATTACKS = {
    "os.system": call(name("os", "system"), text("true")),
    "posix.system": call(name("posix", "system"), text("true")),
    "builtins.eval": call(name("builtins", "eval"), text("1 / 0")),
    "__builtin__.exec": call(name("__builtin__", "exec"), text("1 / 0")),
    "subprocess.Popen": call(name("subprocess", "Popen"), text("true")),
    "INST": b"(" + text("true") + b"ios\nsystem\n",
    "OBJ": b"(" + name("os", "system") + text("true") + b"o",
    "STACK_GLOBAL": call(text("os") + text("system") + b"\x93", text("true")),
    "imported": call(name("torch.serialization", "os.system"), text("true")),
    "partial": call(name("functools", "partial"), name("os", "system"), text("true")),
    "getattr": call(
        call(name("builtins", "getattr"), name("src.config", "os"), text("system")), text("true")
    ),
    "getattr twice": call(
        name("builtins", "getattr"),
        call(name("builtins", "getattr"), name("builtins", "dict"), text("__base__")),
        text("__subclasses__"),
    ),
    "getattr of an object": call(
        name("builtins", "getattr"), built("src", "A", b"}"), text("system")
    ),
    "__setstate__": built("torch.hub", "load", text("anything")),
    "class attribute": name("builtins", "object.__reduce_ex__"),
    "REDUCE, then thrown away": call(name("os", "system"), text("true")) + b"0N",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_code_in_settings_is_refused_and_not_run(tmp_path, attack):
    path = write_lightning(tmp_path / "bad.ckpt", GOOD, {"extra": ATTACKS[attack]})
    refused(path, "asks its reader to run .*nothing of it was run.*delete it")


@pytest.mark.parametrize("attack", ATTACKS)
def test_code_among_weights_is_refused_and_not_run(tmp_path, attack):
    records = {}
    body = dict_of({"module": dict_of({**tensors(GOOD, records), "b": ATTACKS[attack]})})
    refused(write_archive(tmp_path / "bad.pt", body, records), "asks its reader to run")


def test_a_class_that_reduces_to_a_call(tmp_path):
    class Hostile:
        def __reduce__(self):
            return pytest.fail, ("code of the checkpoint was run",)

    torch.save({"module": GOOD, "extra": Hostile()}, tmp_path / "bad.pt")
    refused(tmp_path / "bad.pt", r"holds objects of _pytest.* save its state_dict\(\) alone")


def test_the_official_6b_pickle_is_refused_with_its_own_sentence(tmp_path):
    records = {}
    config = built("utils.easydict", "EasyDict", dict_of({"num_frames": integer(4)}))
    body = dict_of({"model": dict_of(tensors(GOOD, records)), "config": config})
    path = write_archive(tmp_path / "internvideo2-s2_6b.pt", body, records)
    refused(path, r"utils\.easydict\.EasyDict.*weights_only=False.*save_file.*model\.safetensors")


def weights(value: bytes) -> bytes:
    return dict_of({"module": dict_of({"good": tensor_of(stored("0", 6), [6], [1]), "a": value})})


SIX = stored("0", 6)
CLAIMS = {
    "more than stored": (tensor_of(SIX, [7], [1]), "claims 7 numbers, its storage holds 6"),
    "beyond by stride": (tensor_of(SIX, [2, 2], [6, 1]), "claims 8 numbers"),
    "beyond by offset": (tensor_of(SIX, [2], [1], offset=5), "claims 7 numbers"),
    "negative stride": (tensor_of(SIX, [2], [-1]), "negative"),
    "negative offset": (tensor_of(SIX, [2], [1], offset=-1), "negative"),
    "negative size": (tensor_of(SIX, [-2], [1]), "negative"),
    "gigantic": (tensor_of(SIX, [2**62, 2**62], [2**62, 1]), "claims"),
    "gigantic by no stride": (tensor_of(SIX, [2**40], [0]), f"claims {2**40} numbers"),
    "too many axes": (tensor_of(SIX, [1] * 64, [1] * 64), "64 axes"),
    "other axes than strides": (tensor_of(SIX, [2], [1, 1]), "1 axes and 2 strides"),
    "storage beyond its record": (tensor_of(stored("0", 7), [1], [1]), "storage of 7.*24 bytes"),
    "negative storage": (tensor_of(stored("0", -1), [0], [1]), "storage of -1"),
    "no record": (tensor_of(stored("9", 6), [6], [1]), "data/9 that is not there"),
    "record elsewhere": (tensor_of(stored("../data.pkl", 1), [1], [1]), "not there"),
    "no storage": (tensor_of(text("storage"), [6], [1]), "no storage"),
    "persistent id of text": (tensor_of(b"Pstorage\n", [6], [1]), "no storage"),
    "persistent id of five numbers": (tensor_of(integers(range(5)) + b"Q", [6], [1]), "no storage"),
    "persistent id of a list": (tensor_of(b"]Q", [6], [1]), "no storage"),
    "shape of text": (
        call(name("torch._utils", "_rebuild_tensor_v2"), SIX, integer(0), text("ab"), text("cd"))[
            :-2
        ]
        + FALSE
        + b"N"
        + b"tR",
        "no row of whole numbers",
    ),
    "shape of fractions": (
        call(
            name("torch._utils", "_rebuild_tensor_v2"),
            SIX,
            integer(0),
            tuple_of(b"G" + struct.pack(">d", 6.0)),
            integers([1]),
            FALSE,
            b"N",
        ),
        "no row of whole numbers",
    ),
    "too few arguments": (
        call(name("torch._utils", "_rebuild_tensor_v2"), SIX),
        "_rebuild_tensor_v2, not a tensor",
    ),
    "a parameter of a name": (
        call(name("torch._utils", "_rebuild_parameter"), name("torch", "FloatStorage")),
        "not a tensor",
    ),
    "a size made of anything": (call(name("torch", "Size"), text("ab")), "not a tensor"),
    "OrderedDict of anything": (
        call(name("collections", "OrderedDict"), integer(3)),
        r"collections\.OrderedDict, not a tensor",
    ),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_claims_beyond_the_file_are_refused(tmp_path, claim):
    value, sentence = CLAIMS[claim]
    path = write_archive(tmp_path / "bad.pt", weights(value), BYTES)
    refused(path, f"'a' .*{sentence}.*fetch it again")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"}(",
        b"h\x05",
        b"u",
        b"R",
        b"\x82\x01",  # an extension of copyreg
        b"\x97",  # a buffer from outside
        b"}b",  # attributes for nothing
        b"K\x01" + text("a") + b"K\x02s",  # an item of a number
        b"]" + b"(" + b"K\x01K\x02u",  # items of a list
        b"}" + b"(K\x01u",  # a key without a value
        b"K\x01a",
        b"\xff",
        b"\x8b\xff\xff\xff\x7f",  # a number of two billion bytes
        b"I" + b"9" * 5000 + b"\n",
        b"\x8e" + struct.pack("<Q", 2**60) + b"x",  # bytes without end
    ],
)
def test_damaged_pickles_are_refused(tmp_path, body):
    refused(write_archive(tmp_path / "bad.pt", body), "cannot be read: its pickle.*fetch it again")


def test_numbers_of_an_unknown_kind_are_refused(tmp_path):
    value = tensor_of(stored("0", 6, "QInt8Storage"), [6], [1])
    path = tmp_path / "kind.ckpt"
    state = dict_of({"a": value, "b": tensor_of(SIX, [6], [1])})
    write_archive(path, dict_of({"state_dict": state, "loops": dict_of({})}), BYTES)
    refused(path, "'a' has numbers of a kind 'QInt8Storage'")


def test_attributes_set_on_a_dictionary_are_dropped(tmp_path):
    records = {}
    inner = dict_of(tensors(GOOD, records)) + dict_of({"items": text("x"), "get": text("y")}) + b"b"
    path = write_archive(tmp_path / "built.pt", dict_of({"module": inner}), records)
    assert list(read_state(path).state) == ["model.weight"]


def test_depth_and_sharing_cost_no_more_than_their_opcodes():
    deep = b"\x80\x02" + b"]" + b"\x85" * 200_000 + b"."
    assert isinstance(read_pickle(deep).value, tuple)
    key = b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s."  # would be hashed in depth
    assert read_pickle(key).value == {}
    doubled = b"\x80\x02]q\x00" + b"(h\x00h\x00tq\x00" * 100 + b"."  # 2**100 if unfolded
    assert isinstance(read_pickle(doubled).value, tuple)


def test_names_and_calls_are_written_down():
    found = read_pickle(b"\x80\x02" + call(name("a.b", "C"), integer(3)) + b".")
    assert isinstance(found.value, Made)
    assert (found.value.callee, found.value.arguments) == (("a.b", "C"), (3,))
    assert found.names == {Named("a.b", "C")}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN, st.integers(0, 5))
def test_plain_data_comes_out_as_it_went_in(value, protocol):
    found = read_pickle(pickle.dumps(value, protocol))
    if not found.names:  # protocols below 3 call a codec for bytes
        assert found.value == value


def test_a_string_with_an_odd_escape_is_a_string():
    assert read_pickle(b"\x80\x02S'a\\ b'\n.").value == "a\\ b"


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_data_or_refused(data):
    with contextlib.suppress(PickleError):
        read_pickle(b"\x80\x02" + data + b".")


@settings(max_examples=100)
@given(st.data())
def test_any_damage_to_a_file_is_noticed_or_harmless(tmp_path_factory, data):
    stream = io.BytesIO()
    torch.save({"module": {"a": torch.arange(6.0), "b": torch.ones(2, 2)}}, stream)
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "model.pt"
    path.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        assert sum(tensor.numel() for tensor in read_state(path).state.values()) <= 10


def test_compressed_archives_are_refused_before_they_are_unpacked(tmp_path):
    path = write_archive(
        tmp_path / "bomb.pt", weights(b"N"), {"data/0": bytes(10**8)}, zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 10**6
    refused(path, "claims to unpack to 1000.* bytes but has only .*zip bomb")
    small = write_archive(tmp_path / "small.pt", weights(b"N"), BYTES, zipfile.ZIP_DEFLATED)
    refused(small, "zip bomb|compressed, which torch.save never does")


def rewrite(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def test_records_that_lie_in_one_another_are_refused(tmp_path):
    path = tmp_path / "overlap.pt"
    body = weights(b"N")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + body + b".")
        first = archive.fp.tell()
        archive.writestr("a/data/0", b"\0" * 64)
        second = archive.fp.tell()
        archive.writestr("a/data/1", b"\0" * 64)
        entry = archive.getinfo("a/data/1")
        assert entry.header_offset == second
        entry.header_offset = first  # both names, one place
        archive.writestr("a/data/2", b"\0" * 64)
    refused(path, "lie in one another")


def test_two_records_of_one_name_are_refused(tmp_path):
    path = tmp_path / "twice.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/data.pkl", b"2")
    refused(path, "two records of one name")


def test_a_directory_of_too_many_records_is_not_even_read(tmp_path):
    path = write_archive(tmp_path / "many.pt", weights(b"N"), BYTES)
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    struct.pack_into("<2HL", content, end + 8, 0xFFFF, 0xFFFF, 2**31)
    path.write_bytes(content)
    refused(path, f"a checkpoint has at most {MAX_RECORDS}")


def test_large_archives_say_their_counts_elsewhere(tmp_path):
    path = write_archive(tmp_path / "many.pt", weights(b"N"), BYTES)
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    size, start = struct.unpack_from("<2L", content, end + 12)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 10**9, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    struct.pack_into("<2H2L", content, end + 8, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    path.write_bytes(content[:end] + record + locator + content[end:])
    refused(path, "claims 1000000000 records")


def test_encrypted_and_big_endian_archives(tmp_path):
    path = write_archive(tmp_path / "locked.pt", weights(b"N"), BYTES)
    content = bytearray(path.read_bytes())
    directory = content.find(b"PK\x01\x02")
    content[directory + 8] |= 1
    path.write_bytes(content)
    refused(path, "encrypted")
    path = write_archive(tmp_path / "big.pt", weights(b"N"), BYTES)
    rewrite(path, b"little", b"big\0\0\0")
    refused(path, "big-endian")
