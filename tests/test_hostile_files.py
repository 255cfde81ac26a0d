"""Files made to do harm: they are refused, nothing is run, and nothing is read but what the model has room for."""

import functools
import json
import sys

import h5py
import numpy as np
import pytest

from epochal.layers import Dense, Input, Lambda
from epochal.models import Sequential, load_model

RUNS_CODE = ("pickle.find_class", "marshal.loads", "os.system", "os.exec", "subprocess.Popen", "ctypes.dlopen")
_watching: list[list[str]] = []


def _audit(event, arguments):
    if _watching and (event in RUNS_CODE or (event == "import" and arguments[0] in ("antigravity", "this"))):
        _watching[-1].append(f"{event} {arguments[0]!r}"[:100])


sys.addaudithook(_audit)


def model():
    return Sequential([Input((3,)), Dense(2, name="d")])


@pytest.fixture
def saved(tmp_path):
    """Return a function that writes a whole model, lets one change the open file, and returns its path."""

    def write(change, weights_only=False):
        path = tmp_path / "m.h5"
        made = model()
        made.compile("adam", "mse")
        made.fit(np.ones((2, 3), "f4"), np.ones((2, 2), "f4"), verbose=0)
        made.save_weights(path) if weights_only else made.save(path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return write


@pytest.fixture
def nothing_runs(saved):
    """Fail if code is unpickled, unmarshalled or run, or one of Python's joke modules imported."""
    load_model(saved(lambda file: None))  # what is imported late is imported now
    _watching.append(seen := [])
    yield
    _watching.pop()
    assert seen == []


KERNEL = "model_weights/d/d/kernel"


def replaced(**kwargs):
    """Return a change that puts another dataset in the place of the kernel."""

    def change(file):
        del file[KERNEL]
        file.create_dataset(KERNEL, **kwargs)

    return change


def linked(link):
    def change(file):
        file["elsewhere"] = np.ones((3, 2), "f4")
        del file[KERNEL]
        file[KERNEL] = link

    return change


def virtual(file):
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "d", (3, 2))
    file.create_virtual_dataset(KERNEL, layout)


def cyclic(file):
    del file["model_weights/d"]
    file["model_weights/d"] = file["model_weights"]
    file["model_weights"].attrs["weight_names"] = ["d/d/d/d", "d/d"]


def renamed(layers=None, weights=None):
    def change(file):
        if layers:
            file["model_weights"].attrs["layer_names"] = layers
        if weights:
            file["model_weights/d"].attrs["weight_names"] = weights

    return change


DATASETS = {
    "link into another file": (
        linked(h5py.ExternalLink("/etc/passwd", "/x")),
        "through a link into another file, which is",
    ),
    "soft link": (linked(h5py.SoftLink("/elsewhere")), "through a soft link, which is refused"),
    "bytes of another file": (
        replaced(shape=(3, 2), dtype="f4", external=[("/etc/passwd", 0, 24)]),
        "from another file",
    ),
    "virtual": (virtual, "takes its values from another file, which is refused"),
    "huge": (
        replaced(shape=(10**12, 2), dtype="f4", chunks=(1024, 2)),
        r"kernel has shape \(3, 2\).*\(1000000000000, 2\)",
    ),
    "objects": (replaced(shape=(3, 2), dtype=h5py.special_dtype(vlen=bytes)), "holds object, not numbers"),
    "lists": (replaced(shape=(3, 2), dtype=h5py.vlen_dtype("u1")), "holds object, not numbers"),
    "references": (replaced(shape=(3, 2), dtype=h5py.ref_dtype), "holds object, not numbers"),
    "structs": (replaced(shape=(3, 2), dtype=[("a", "f4"), ("b", "S8")]), "not numbers"),
    "opaque": (replaced(data=np.zeros((3, 2), "V8")), r"holds \|V8, not numbers"),
    "text": (replaced(data=np.array([["a", "b"]] * 3, "S1")), r"holds \|S1, not numbers"),
    "nothing": (replaced(data=h5py.Empty("f4")), "not numbers"),
    "cycle": (cyclic, "should be a dataset"),
    "parent": (renamed(layers=["../m"]), r"'\.\./m' is no plain path"),
    "absolute": (renamed(layers=["/model_weights/d"]), "'/model_weights/d' is no plain path"),
    "self": (renamed(weights=["./d/kernel", "d/bias"]), r"'\./d/kernel' is no plain path"),
    "missing": (renamed(weights=["d/gone", "d/bias"]), "'d/gone' is missing"),
    "numbers as names": (renamed(layers=[1, 2]), "'layer_names' should be text"),
}


@pytest.mark.parametrize(("change", "what"), DATASETS.values(), ids=DATASETS)
def test_weights_that_are_not_plain_numbers_in_the_file_are_refused(saved, nothing_runs, change, what):
    path, target = saved(change), model()
    before = target.get_weights()
    for load in (target.load_weights, load_model):
        with pytest.raises(ValueError, match=what) as refusal:
            load(path)
        assert str(path) in str(refusal.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, target.get_weights(), strict=True))


def test_packed_weights_load_but_not_by_unknown_plugins(saved):
    values = np.arange(6, dtype="f4").reshape(3, 2)
    target = model()
    target.load_weights(saved(replaced(data=values, compression="gzip", shuffle=True, fletcher32=True)))
    assert np.array_equal(target.get_weights()[0], values)

    def unknown_filter(file):
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((3, 2))
        plan.set_filter(31999, h5py.h5z.FLAG_OPTIONAL, ())
        del file[KERNEL]
        h5py.h5d.create(
            file["model_weights/d/d"].id, b"kernel", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3, 2)), plan
        )

    with pytest.raises(ValueError, match="packed with HDF5 filter 31999; only gzip"):
        target.load_weights(saved(unknown_filter))


def test_a_weights_file_s_groups_may_not_be_links(tmp_path):
    path = tmp_path / "w.weights.h5"
    model().save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/dense"]
        file["layers/dense"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(ValueError, match="through a link into another file, which is refused"):
        model().load_weights(path)


# The description of a whole model


def described(*entries, **more):
    """Return a change of the described layers, whose first one is the kept input."""

    def change(file):
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1:] = entries
        file.attrs["model_config"] = json.dumps(config)

    return change


def dense(**settings):
    return {"class_name": "Dense", "config": {"name": "d", "units": 2} | settings}


def within(inner):
    return {"class_name": "TimeDistributed", "config": {"layer": inner}}


POPEN = {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "/tmp/epochal-was-here"]}}
CODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA", "defaults": None, "closure": None}}

DESCRIPTIONS = {
    "Lambda": (described({"class_name": "Lambda", "config": {"name": "f", "function": ["4wEA", None, None]}}), "'f' is a Lambda, which is code; it isn't run"),
    "Lambda of Keras 3": (described({"class_name": "Lambda", "config": {"function": CODE}}), "is a Lambda, which is code"),
    "module": (described({"module": "antigravity", "class_name": "this", "config": {}}), "unknown class 'this'"),
    "dotted class": (described({"class_name": "os.system", "config": {"command": "true"}}), r"unknown class 'os\.system'"),
    "attribute": (described({"class_name": "__init__", "config": {}}), "unknown class '__init__'"),
    "our own helper": (described({"class_name": "_Activated", "config": {}}), "unknown class '_Activated'"),
    "initializer": (described(dense(kernel_initializer=POPEN)), "unknown initializer 'Popen'"),
    "activation": (described(dense(activation=POPEN)), "unknown activation 'Popen'"),
    "activation of code": (described(dense(activation=CODE)), "unknown activation '__lambda__'"),
    "activation by path": (described(dense(activation="os.system")), r"unknown activation 'os\.system'"),
    "nested": (described(within(POPEN)), "unknown class 'Popen'"),
    "nested code": (described(within(CODE)), "unknown class '__lambda__'"),
    "nested number": (described(within(3)), "an entry that describes no layer"),
    "nested deep": (described(functools.reduce(lambda inner, _: within(inner), range(200), POPEN)), "more than 32 deep"),
    "path": (described(dense(name="../../d")), r"names a layer '\.\./\.\./d', which is no plain path"),
    "absolute path": (described(dense(name="/d")), "names a layer '/d', which is no plain path"),
    "huge": (described(dense(units=10**12)), r"kernel has shape \(3, 1000000000000\); 'd' in the file has \(3, 2\)"),
    "huge image": (described({"class_name": "Conv2D", "config": {"name": "d", "filters": 2, "kernel_size": [10**9, 10**9]}}), "Conv2D"),
    "no layer": (described(["d"]), "an entry that describes no layer"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*optimizer starts afresh")
@pytest.mark.parametrize(("change", "what"), DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_what_a_description_names_is_neither_imported_nor_run_nor_made(saved, nothing_runs, change, what):
    with pytest.raises(ValueError, match=what):
        load_model(saved(change))


def attribute(name, value, group="/"):
    return lambda file: file[group].attrs.__setitem__(name, value)


ATTRIBUTES = {
    "no JSON": (attribute("model_config", "{"), "is no JSON"),
    "deep JSON": (attribute("model_config", "[" * 10**6), "is no JSON"),
    "a list": (attribute("model_config", "[]"), "should be a JSON object"),
    "long JSON": (attribute("model_config", " " * (17 * 2**20)), "has more than 16,777,216 bytes"),
    "numbers": (attribute("model_config", np.ones(3)), "'model_config' should be text"),
    "another format": (attribute("state", '{"format": 99}', "epochal"), "has format 99; this epochal reads 1"),
    "no names": (attribute("state", '{"format": 1, "streams": {}}', "epochal"), "doesn't say what its arrays are"),
    "other names": (attribute("state", '{"format": 1, "streams": ["x"], "optimizer": []}', "epochal"), "only one of the two has 'x'"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "what"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_attributes_that_are_not_what_they_should_be_are_refused(saved, nothing_runs, change, what):
    with pytest.raises(ValueError, match=what):
        load_model(saved(change))


def test_the_optimizer_s_state_may_not_be_huge_or_linked(saved):
    def huge(file):
        numbers = [number for number in file["epochal"] if file["epochal"][number].shape == (3, 2)]
        del file["epochal"][numbers[0]]
        file["epochal"].create_dataset(numbers[0], shape=(10**12,), dtype="f4", chunks=(1024,))

    def link(file):
        del file["epochal/0"]
        file["epochal/0"] = h5py.ExternalLink("/etc/passwd", "/x")

    for change, what in (
        (huge, r"optimizer's state, .* has shape \(1000000000000,\)"),
        (link, "link into another file"),
    ):
        with pytest.raises(ValueError, match=what):
            load_model(saved(change))


@pytest.mark.parametrize("named", [POPEN, {"class_name": "os.system", "config": {}}, "antigravity", CODE, 3, []])
def test_compile_settings_are_neither_imported_nor_run(saved, nothing_runs, named):
    def change(file):
        state = json.loads(file["epochal"].attrs["state"])
        state["training"] = {"optimizer_config": named, "loss": named, "metrics": [named]}
        file["epochal"].attrs["state"] = json.dumps(state)

    with pytest.warns(UserWarning, match="not compiled"):
        load_model(saved(change))


def test_a_function_of_one_s_own_is_the_only_way_code_gets_in(saved):
    def change(file):
        described({"class_name": "Lambda", "config": {"name": "f"}}, dense())(file)
        del file["epochal"]  # its optimizer's state is of another model

    path = saved(change)
    loaded = load_model(path, {"Lambda": lambda name: Lambda(lambda x: x * 2, name=name)})
    assert loaded.predict(np.ones((1, 3), "f4")).shape == (1, 2)


# Damage


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"not HDF5 at all", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_hdf5_is_said_so(tmp_path, content):
    (tmp_path / "m.h5").write_bytes(content)
    for load in (load_model, model().load_weights):
        with pytest.raises(ValueError, match=r"m\.h5 is (no HDF5 file|damaged or cut short|a \.keras archive)"):
            load(tmp_path / "m.h5")


def test_a_folder_is_said_to_be_one(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        load_model(tmp_path)


def test_a_file_cut_short_is_an_error_at_every_length(tmp_path):
    path = tmp_path / "w.h5"
    model().save_weights(path)
    whole = path.read_bytes()
    target = model()
    for length in range(0, len(whole) - 20, 97):  # the last 20 bytes are the checksum alone
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"w\.h5"):
            target.load_weights(path)


def test_flipped_bits_load_or_are_a_value_error_that_names_the_file(tmp_path):
    path = tmp_path / "w.h5"
    model().save_weights(path)
    whole, target, random = path.read_bytes(), model(), np.random.default_rng(0)
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[random.integers(len(whole))] ^= 1 << random.integers(8)
        path.write_bytes(flipped)
        try:
            target.load_weights(path)
        except ValueError as error:
            assert "w.h5" in str(error)  # noqa: PT017
