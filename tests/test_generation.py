"""One saved state as a file: whole and exactly what was saved, or refused."""

import hashlib
import json
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochal.storage.generation import MAGIC, RESERVED, Damaged, Generation, read

DTYPES = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128", "datetime64[s]"),
    *("bfloat16", "float8_e4m3fn", "float8_e5m2", "int4"),
]


@pytest.fixture
def through_a_file(tmp_path):
    def go(state):
        path = tmp_path / "state"
        generation = Generation(state)
        generation.write(path)
        assert path.stat().st_size == generation.nbytes
        return read(path)

    return go


def same(a, b):
    """Whether two nests are equal, their arrays bit by bit."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    return type(a) is type(b) and (a == b or (a != a and b != b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_arrays_come_back_bit_by_bit(through_a_file, dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    assert same({"a": array}, through_a_file({"a": array}))


def test_plain_values_come_back(through_a_file):
    state = {"none": None, "yes": True, "n": 2**70, "x": 0.1, "nan": math.nan, "inf": -math.inf, "text": "ü\0", "": {}}
    state |= {"bytes": bytes(range(256)), "list": [1, [2.5, []], {"deep": [np.ones(2)]}]}
    assert same(state, through_a_file(state))


KEYS = st.text().filter(lambda key: key not in RESERVED)
NESTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@given(state=st.dictionaries(KEYS, NESTS, max_size=3))
def test_any_nest_comes_back(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "nest"
    Generation(state).write(path)
    assert same(state, read(path))


def test_numpy_scalars_become_plain_values_and_tuples_lists(through_a_file):
    state = {"x": np.float32(0.5), "n": np.int64(3), "b": ml_dtypes.bfloat16(1.5), "t": (1, 2)}
    assert through_a_file(state) == {"x": 0.5, "n": 3, "b": 1.5, "t": [1, 2]}


def test_any_layout_in_memory_comes_back_as_its_values(through_a_file):
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = [
        base.T,
        base[:, ::2],
        base[::-1],
        np.asfortranarray(base),
        base.astype(">f4"),
        np.broadcast_to(base[:1], (3, 4)),
    ]
    for array, back in zip(arrays, through_a_file({"a": arrays})["a"], strict=True):
        np.testing.assert_array_equal(back, array)
        assert back.dtype == np.float32


def test_what_goes_on_after_it_was_taken_does_not_change_it(tmp_path):
    array = np.zeros(3)
    generation = Generation({"a": array})
    array[:] = 1
    generation.write(tmp_path / "state")
    assert read(tmp_path / "state")["a"].tolist() == [0, 0, 0]


def test_restored_arrays_can_be_written_to(through_a_file):
    through_a_file({"a": np.zeros(3)})["a"][0] = 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"state\.c\[1\]\.x is a object"),
        ({1, 2}, r"state\.c\[1\]\.x is a set"),
        (len, r"state\.c\[1\]\.x is a builtin_function_or_method"),
        (1 + 2j, r"state\.c\[1\]\.x is a complex"),
        (np.array([object()]), r"state\.c\[1\]\.x is an array of dtype object"),
        (np.array(["a"]), r"state\.c\[1\]\.x is a ndarray that is no array of numbers"),
        (np.zeros(2, [("a", "f4")]), r"state\.c\[1\]\.x is a ndarray that is no array of numbers"),
        ({1: "a"}, r"state\.c\[1\]\.x has the key 1"),
        ({"__array__": 0}, r"state\.c\[1\]\.x has the key '__array__'"),
        ({"__bytes__": ""}, r"state\.c\[1\]\.x has the key '__bytes__'"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_and_its_place_named(value, message):
    with pytest.raises(TypeError, match=message):
        Generation({"c": [0, {"x": value}]})


# Damage


SMALL = {"weights": np.arange(3, dtype=np.float32), "epoch": 3, "name": "run"}


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small"
    Generation(SMALL).write(path)
    return path


def test_cut_short_at_any_length_it_is_refused(small):
    whole = small.read_bytes()
    for length in range(len(whole)):
        small.write_bytes(whole[:length])
        with pytest.raises(Damaged, match="its digest is wrong"):
            read(small)


def test_with_any_bit_turned_over_it_is_refused(small):
    whole, rng = small.read_bytes(), np.random.default_rng(0)
    for bit in rng.integers(0, 8 * len(whole), 1000).tolist():
        turned = bytearray(whole)
        turned[bit // 8] ^= 1 << bit % 8
        small.write_bytes(turned)
        with pytest.raises(Damaged, match="its digest is wrong"):
            read(small)


@pytest.mark.parametrize("extra", [b"\0", b"\0" * 512])
def test_longer_than_it_was_it_is_refused(small, extra):
    small.write_bytes(small.read_bytes() + extra)
    with pytest.raises(Damaged, match="its digest is wrong"):
        read(small)


def forge(path, header, arrays=b"", magic=MAGIC, length=None):
    """Write a file with a right digest."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = magic + (len(text) if length is None else length).to_bytes(8, "little") + text + arrays
    path.write_bytes(body + hashlib.sha256(body).digest())


def described(dtype="float32", shape=(2,), **more):
    return {"state": {"a": {"__array__": 0}}, "arrays": [{"dtype": dtype, "shape": shape, **more}]}


def test_a_forged_file_is_read_if_nothing_is_wrong_with_it(small):
    forge(small, described(), b"\0" * 8)
    assert read(small)["a"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "header",
    [
        described("object"),
        described("O"),
        described("O,i4"),
        described("V8"),
        described("float32; import os"),
        described(["O"]),
        described(shape=(2**62, 2**62)),
        described(shape=(2**40,)),
        described(shape=(3,)),
        described(shape=(1,)),
        described(shape=(-1,)),
        described(shape=(-1, -2)),
        described(shape=(0, 2**70)),
        described(shape=(2.0,)),
        described(shape=("2",)),
        described(shape=2),
        described(shape=None),
        {"state": {}, "arrays": []},
        {"state": {"a": {"__array__": 1}}, "arrays": described()["arrays"]},
        {"state": {"a": {"__array__": -1}}, "arrays": described()["arrays"]},
        {"state": {"a": {"__array__": "0"}}, "arrays": described()["arrays"]},
        {"state": {"a": {"__bytes__": 3}}, "arrays": described()["arrays"]},
        {"state": {"a": {"__bytes__": "not base64!"}}, "arrays": described()["arrays"]},
        {"state": [], "arrays": described()["arrays"]},
        {"state": {}},
        {"arrays": []},
        [],
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"state": {"n": ' + b"9" * 5000 + b'}, "arrays": []}',
    ],
    ids=lambda header: repr(header)[:60],
)
def test_a_forged_header_is_refused(small, header):
    forge(small, header, b"\0" * 8)
    with pytest.raises(Damaged, match="is no saved run"):
        read(small)


@pytest.mark.parametrize(
    ("header", "message"),
    [({"state": [], "arrays": []}, "its state is no mapping"), ({"state": {}, "arrays": []}, "8 bytes are left over")],
)
def test_what_is_wrong_with_a_forged_file_is_told(small, header, message):
    forge(small, header, b"\0" * 8 if header["state"] == {} else b"")
    with pytest.raises(Damaged, match=message):
        read(small)


@pytest.mark.parametrize("length", [0, 1, 2**32, 2**64 - 1])
def test_a_forged_length_of_the_header_is_refused(small, length):
    forge(small, described(), b"\0" * 8, length=length)
    with pytest.raises(Damaged, match="is no saved run"):
        read(small)


def test_another_version_is_refused_by_its_first_bytes(small):
    forge(small, described(), b"\0" * 8, magic=b"EPOCHAL\x02")
    with pytest.raises(Damaged, match=r"written by another version: it begins with b'EPOCHAL\\x02'"):
        read(small)
