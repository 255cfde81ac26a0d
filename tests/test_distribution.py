"""The same fit on one device and on eight: the same logs, the same weights; what can't be dealt out is told."""

import os
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
from distributed import BATCH, CLOSE, KINDS, LABELS, X, assert_equal, dense, fitted, fitted_model, on, on_one_device
from flax import nnx
from folders import SCRIPTS
from jax.sharding import Mesh

from epochal import distribution, losses, set_random_seed
from epochal.callbacks import BackupAndRestore, LambdaCallback
from epochal.distribution import DataParallel, Distribution, LayoutMap, ModelParallel
from epochal.layers import Dense
from epochal.models import Model, Sequential

pytestmark = pytest.mark.skipif(jax.device_count() < 8, reason="eight devices, which XLA_FLAGS simulates on a CPU")


def one_device():
    return DataParallel(jax.devices()[:1])


def shards(array):
    return {shard.data.shape for shard in array.addressable_shards}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "without momentum"])
def test_eight_devices_train_as_one(kind):
    everything = kind == "batch normalization"  # validation and predictions, too
    assert_equal(on_one_device(kind, everything), fitted(kind, DataParallel(), everything), CLOSE)


def test_a_mesh_of_one_device_gives_the_bits_of_none_and_eight_the_same_bits_twice():
    assert_equal(on_one_device("dropout"), fitted("dropout", one_device()), 0)
    assert_equal(fitted("dropout", DataParallel()), fitted("dropout", DataParallel()), 0)


@pytest.mark.parametrize(
    ("layout_map", "mesh", "kernel", "output"),
    [
        ({"dense/kernel": (None, "model"), "dense_1/kernel": ("model",)}, {"batch": 2, "model": 4}, (8, 4), (4, 3)),
        ({"dense.*kernel": ("batch",)}, {"batch": 8}, (1, 16), (2, 3)),
        ({"dense/kernel": (None, ("batch", "model"))}, {"batch": 2, "model": 2}, (8, 4), (16, 3)),
        ({"dense/kernel": (None, "model")}, {"model": 8}, (8, 2), (16, 3)),
    ],
    ids=["model parallel", "fully sharded", "over both axes", "whole batches"],
)
def test_weights_and_what_optimizers_keep_for_them_lie_as_the_layout_map_says(layout_map, mesh, kernel, output):
    made = []
    parallel = ModelParallel(LayoutMap(layout_map), mesh=mesh)
    several = fitted_model(lambda: made.append(dense()) or made[0], X, LABELS, parallel)
    assert_equal(on_one_device("dense"), several, CLOSE)
    [model] = made
    assert [shards(layer.affine.kernel.get_value()) for layer in model.layers[:2]] == [{kernel}, {output}]
    momenta = {path: shards(array) for path, array in model.trainee.runtime.optimizer_arrays().items()}
    assert [found for path, found in momenta.items() if path.endswith("kernel/value")] == [{kernel}, {output}]


def test_one_all_reduce_a_step_and_no_gather(tmp_path):
    flags = (
        f"{os.environ['XLA_FLAGS']} --xla_dump_to={tmp_path} --xla_dump_hlo_as_text --xla_dump_hlo_module_re=.*span.*"
    )
    options = {"XLA_FLAGS": flags, "JAX_DISABLE_MOST_OPTIMIZATIONS": "0", "JAX_ENABLE_COMPILATION_CACHE": "0"}
    subprocess.run([sys.executable, "-W", "error", SCRIPTS / "collectives.py"], check=True, env=os.environ | options)
    texts = [path.read_text() for path in sorted(tmp_path.glob("*cpu_after_optimizations.txt"))]
    found = [sorted(re.findall(r" (all-\w+|reduce-scatter|collective-permute)(?:-start)?\(", text)) for text in texts]
    assert found == [
        ["all-reduce"],  # dense
        ["all-reduce"],  # convolutional
        ["all-reduce"],  # with dropout
        ["all-reduce", "all-reduce"],  # in parts: the gradients of each, and what they log together
        ["all-gather", "all-reduce"],  # fully sharded: the weights, which each device has a part of
    ]


# Modules of Flax


class Annotated(nnx.Module):
    def __init__(self, rngs, axes=(None, "model")):
        init = nnx.initializers.lecun_normal()
        self.hidden = nnx.Linear(8, 16, rngs=rngs, kernel_init=nnx.with_partitioning(init, axes) if axes else init)
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(16, 3, rngs=rngs)

    def __call__(self, x):
        return self.out(self.dropout(nnx.relu(self.norm(self.hidden(x)))))


def of_module(module):
    model = Model(module)
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    return model


def test_a_module_lies_as_its_own_annotations_say():
    parallel = ModelParallel(LayoutMap(), mesh={"batch": 2, "model": 4})
    with jax.set_mesh(parallel.mesh):
        module = Annotated(nnx.Rngs(0))
    plain = fitted_model(lambda: of_module(Annotated(nnx.Rngs(0), axes=None)), X, LABELS, None)
    assert_equal(plain, fitted_model(lambda: of_module(module), X, LABELS, parallel), CLOSE)
    assert shards(module.hidden.kernel.get_value()) == {(8, 4)}
    assert shards(module.out.kernel.get_value()) == {(16, 3)}


def test_a_module_with_annotations_and_no_mesh_for_them_is_told():
    mesh = ModelParallel(LayoutMap(), mesh={"batch": 2, "model": 4}).mesh
    with jax.set_mesh(mesh):
        modules = [Annotated(nnx.Rngs(0)) for _ in range(3)]
    with pytest.warns(
        UserWarning, match="hidden/kernel.* is sharded over several devices, and is brought to one: no dist"
    ):
        of_module(modules[0]).fit(X, LABELS, verbose=0)
    with (
        on(DataParallel()),
        pytest.raises(ValueError, match="is to lie on the axis 'model' of the mesh, which has batch"),
    ):
        of_module(modules[1]).fit(X, LABELS, verbose=0)
    with on(ModelParallel(LayoutMap({"hidden/kernel": ("batch",)}), {"batch": 2, "model": 4})):
        with pytest.raises(
            ValueError, match="hidden/kernel has a rule in the layout map, and an annotation in the module"
        ):
            of_module(modules[2]).fit(X, LABELS, verbose=0)


# Around a fit


def test_what_hooks_see_and_change_is_what_they_would_on_one_device():
    def run(chosen):
        seen = []

        def look(batch, logs):
            if batch == 2:
                seen.append(model.get_weights()[0])
                model.set_weights([weight * 0.5 for weight in model.get_weights()])
                model.optimizer.lr = 0.05

        with on(chosen):
            set_random_seed(3)
            model = dense()
            model.fit(
                X, LABELS, batch_size=BATCH, epochs=2, verbose=0, seed=1, callbacks=[LambdaCallback(on_batch_end=look)]
            )
            return [*seen, *model.get_weights()]

    for a, b in zip(run(None), run(DataParallel()), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=CLOSE)


def test_a_run_goes_on_on_another_number_of_devices(tmp_path):
    def run(chosen, epochs, folder):
        with on(chosen):
            set_random_seed(3)
            model = dense()
            callbacks = [BackupAndRestore(tmp_path / folder)]
            model.fit(X, LABELS, batch_size=BATCH, epochs=epochs, verbose=0, seed=1, callbacks=callbacks)
            return model.get_weights()

    fully_sharded = ModelParallel(LayoutMap({"dense/kernel": ("batch",)}), {"batch": 8})
    whole = run(None, 3, "whole")
    for name, first, then in [("more", None, fully_sharded), ("fewer", DataParallel(), None)]:
        run(first, 2, name)
        for a, b in zip(whole, run(then, 3, name), strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=CLOSE)
    run(DataParallel(), 2, "same")
    for a, b in zip(run(DataParallel(), 3, "eight"), run(DataParallel(), 3, "same"), strict=True):
        np.testing.assert_array_equal(b, a)


def test_a_distribution_is_taken_up_by_compile():
    model = dense()
    model.predict(X)
    with on(DataParallel()):
        model.fit(X, LABELS, verbose=0)  # nothing but predictions was made for the other one
        assert len(model.layers[0].affine.kernel.get_value().sharding.device_set) == 8
    with pytest.raises(
        ValueError, match=r"compiled for <DataParallel on 8 devices \(batch: 8\)>, and now None is set: .* again"
    ):
        model.fit(X, LABELS, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, LABELS, verbose=0)
    assert len(model.layers[0].affine.kernel.get_value().sharding.device_set) == 1


# What can't be right


def test_rules_that_can_not_be_right_are_refused_before_the_first_batch():
    def fit(rules, mesh):
        with on(ModelParallel(LayoutMap(rules), mesh)):
            dense().fit(X, LABELS, verbose=0)

    two = {"batch": 2, "model": 3}
    with pytest.raises(
        ValueError, match="rules for no weight: 'conv', 'x'. The weights are dense/kernel, dense/bias, dense_1/"
    ):
        fit({"conv": ("model",), "x": (), "dense/kernel": ()}, two)
    with pytest.raises(ValueError, match=r"dense/kernel has several rules in the layout map: 'dense', 'kernel'"):
        fit({"dense": (), "kernel": ()}, two)
    with pytest.raises(
        ValueError, match=r"dense/kernel has the shape \(8, 16\): its axis 1 can't be dealt out evenly over the 3"
    ):
        fit({"dense/kernel": (None, "model")}, two)
    with pytest.raises(ValueError, match=r"dense/bias has the shape \(16,\), and its rule in the layout map more axes"):
        fit({"dense/bias": (None, "model")}, two)
    with pytest.raises(ValueError, match="the layout map names modle, and the mesh has the axes batch, model"):
        fit({"dense/bias": ("modle",)}, two)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: ModelParallel(LayoutMap(), {"batch": 4, "model": 4}), ValueError, "has 16 devices, and there are 8"),
        (lambda: ModelParallel(LayoutMap(), {}), ValueError, "mesh has the number of devices along each axis, .*got {}"),
        (lambda: ModelParallel(LayoutMap(), {"batch": 0}), ValueError, "number of devices along each axis"),
        (lambda: ModelParallel({"a": ()}, {"batch": 1}), TypeError, "layout_map is a LayoutMap of rules; got {'a'"),
        (lambda: DataParallel([]), ValueError, "needs at least one device"),
        (lambda: LayoutMap({"(": ()}), TypeError, r"'\(' is no regular expression"),
        (lambda: LayoutMap({"a": "model"}), TypeError, "the rule for 'a' has for each axis .*; got 'model'"),
        (lambda: LayoutMap({"a": ("model", "model")}), ValueError, "names an axis of the mesh twice"),
        (lambda: LayoutMap({3: ()}), TypeError, "a rule's key is a path, .*; got 3"),
        (lambda: distribution.set_distribution("cpu"), TypeError, "a distribution is a DataParallel.*; got 'cpu'"),
    ],
)  # fmt: skip
def test_distributions_that_can_not_be_made(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_a_layout_map_is_a_dict_whose_rules_are_never_replaced_in_silence():
    rules = LayoutMap({"kernel": [None, "model"]})
    with pytest.raises(ValueError, match="has a rule for 'kernel' already: delete it first"):
        rules["kernel"] = ("batch",)
    assert (dict(rules), rules.axes(), repr(rules)) == (
        {"kernel": (None, "model")}, {"model"}, "LayoutMap({'kernel': (None, 'model')})",
    )  # fmt: skip
    del rules["kernel"]
    assert len(rules) == 0


def test_a_mesh_of_jax_will_do():
    devices = np.array(jax.devices()[:4]).reshape(2, 2)
    parallel = ModelParallel(LayoutMap({"dense/kernel": (None, "y")}), Mesh(devices, ("x", "y")), batch_axis="x")
    assert_equal(on_one_device("dense"), fitted("dense", parallel), CLOSE)
    with pytest.raises(ValueError, match=r"a jax.sharding.Mesh has its devices: leave out `devices`"):
        ModelParallel(LayoutMap(), Mesh(devices, ("x", "y")), devices=jax.devices())
    assert repr(Distribution(Mesh(devices, ("x", "y")))) == "<Distribution on 4 devices (x: 2, y: 2)>"


def test_predictions_of_models_that_are_not_compiled():
    model = Sequential([Dense(3, input_dim=8)])
    alone = model.predict(X[:10])
    with on(DataParallel()):
        np.testing.assert_allclose(model.predict(X[:10], batch_size=8), alone, rtol=1e-6, atol=1e-6)
