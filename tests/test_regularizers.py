"""Regularizers and constraints by themselves: values by hand, names, configurations, files and runs."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

from epochal import constraints, regularizers
from epochal.callbacks import BackupAndRestore
from epochal.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from epochal.layers import LSTM, Bidirectional, Dense, Layer
from epochal.models import Sequential, load_model
from epochal.regularizers import L1, L1L2, L2, OrthogonalRegularizer

X, Y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
W = np.array([[3.0, 0.0], [-4.0, 1.0]], "float32")


class Spread(regularizers.Regularizer):
    def __init__(self, factor=0.1):
        self.factor = factor

    def __call__(self, x):
        return self.factor * jnp.var(x)


@pytest.mark.parametrize(
    ("regularizer", "penalty"),
    [
        (L1(), 0.08),
        (L1(0.5), 4),
        (L2(), 0.26),
        (L2(0.5), 13),
        (L1L2(), 0),
        (L1L2(0.5, 0.25), 4 + 6.5),
        (OrthogonalRegularizer(0.5), 0.5 * 4 / math.sqrt(17)),  # the cosine of (3, 0) and (-4, 1)
        (OrthogonalRegularizer(0.5, "columns"), 0.5 * 4 / 5),  # of (3, -4) and (0, 1)
    ],
)
def test_penalties(regularizer, penalty):
    assert float(regularizer(W)) == pytest.approx(
        penalty, abs=1e-6, rel=1e-3 if "Orthogonal" in repr(regularizer) else 1e-6
    )


@pytest.mark.parametrize(
    ("constraint", "weights"),
    [
        (MaxNorm(), [[1.2, 0], [-1.6, 1]]),
        (MaxNorm(4, axis=1), [[3, 0], [-4 * 4 / math.sqrt(17), 4 / math.sqrt(17)]]),
        (NonNeg(), [[3, 0], [0, 1]]),
        (UnitNorm(), [[0.6, 0], [-0.8, 1]]),
        (UnitNorm([0, 1]), W / math.sqrt(26)),
        (MinMaxNorm(2, 4), [[2.4, 0], [-3.2, 2]]),
        (MinMaxNorm(2, 4, rate=0.5), [[2.7, 0], [-3.6, 1.5]]),
    ],
)
def test_projections(constraint, weights):
    np.testing.assert_allclose(constraint(W), weights, rtol=1e-6)
    assert type(constraint).from_config(constraint.get_config()) == constraint


def test_names_stand_for_the_defaults_and_entries_for_what_they_say():
    assert [regularizers.get(name) for name in ("l1", "L2", "l1_l2", "L1L2")] == [
        L1(0.01),
        L2(0.01),
        *[L1L2(0.01, 0.01)] * 2,
    ]
    assert [constraints.get(name) for name in ("max_norm", "nonneg", "UnitNorm")] == [
        MaxNorm(2, 0),
        NonNeg(),
        UnitNorm(0),
    ]
    for room, one in (
        (regularizers, L1L2(0.1, 0.2)),
        (regularizers, L2),
        (constraints, MinMaxNorm(0.1, 0.2, 0.3, [0, 1])),
    ):
        made = one() if isinstance(one, type) else one
        assert room.get(one) == room.get(made) == room.get(room.serialize(made)) == made
        assert room.get(None) is room.serialize(None) is None
    assert regularizers.l2 is L2
    assert constraints.maxnorm is constraints.max_norm is MaxNorm


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: L1(-0.1), ValueError, "l1 must be a number ≥ 0; got -0.1"),
        (lambda: L2(math.nan), ValueError, "l2 must be a number ≥ 0; got nan"),
        (lambda: L1L2(l2="much"), ValueError, "l2 must be a number; got 'much'"),
        (lambda: L2(l=0.1), TypeError, "L2 has no argument 'l'. Did you mean 'l2'|Known: l2"),
        (lambda: OrthogonalRegularizer(mode="diagonal"), ValueError, "mode must be 'rows' or 'columns'; got 'diagonal'"),
        (lambda: OrthogonalRegularizer()(np.ones(3)), ValueError, r"takes a matrix of two rows at least; got shape \(3,\)"),
        (lambda: MaxNorm(-1), ValueError, "max_value must be a number ≥ 0; got -1"),
        (lambda: MaxNorm(axis=0.5), ValueError, "axis must be a whole number; got 0.5"),
        (lambda: MinMaxNorm(2, 1), ValueError, "min_value 2.0 is above max_value 1.0"),
        (lambda: regularizers.get("l7"), ValueError, "unknown regularizer 'l7'"),
        (lambda: regularizers.get(0.01), TypeError, "a regularizer is a name, .* or None, not 0.01"),
        (lambda: regularizers.get(dataclass(type("Spread", (Spread,), {}))()), TypeError, r"regularizer Spread has no hash, .*dataclass\(frozen=True\)"),
        (lambda: constraints.get(3), TypeError, "a constraint is a name, .* or None, not 3"),
        (lambda: type("Mine", (regularizers.Regularizer,), {})()(W), NotImplementedError, r"Mine has no `__call__\(self, x\)`"),
        (lambda: type("Mine", (constraints.Constraint,), {})()(W), NotImplementedError, r"Mine has no `__call__\(self, w\)`"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


# Files


class Silent(Spread):
    def __init__(self, strength):
        super().__init__(strength)


def halved(w):
    return w / 2


class Restrained(Layer):
    """Written as for Keras."""

    def __init__(self, regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.regularizer = regularizers.get(regularizer)

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", regularizer=self.regularizer)

    def call(self, x):
        return x * self.scale

    def get_config(self):
        return {**super().get_config(), "regularizer": regularizers.serialize(self.regularizer)}


def test_what_a_layer_is_given_is_in_files_with_its_numbers(tmp_path):
    parts = [
        Restrained(L2(0.3), input_shape=(3,), activity_regularizer=L1(0.2)),
        Dense(4, kernel_regularizer=Spread(0.7), kernel_constraint=halved, bias_constraint=MaxNorm(3, axis=[0])),
    ]
    Sequential(parts).save(tmp_path / "m.h5")
    custom = {"Spread": Spread, "halved": halved, "Restrained": Restrained}
    first, second = load_model(tmp_path / "m.h5", custom_objects=custom).layers
    assert (first.regularizer, first.activity_regularizer) == (L2(0.3), L1(0.2))
    assert (second.kernel_regularizer.factor, second.bias_regularizer) == (0.7, None)
    assert (second.kernel_constraint, second.bias_constraint) == (halved, MaxNorm(3, axis=[0]))
    assert second.affine.kernel.constraint is halved
    with pytest.raises(ValueError, match=r"'dense' \(Dense\): unknown regularizer 'Spread'"):
        load_model(tmp_path / "m.h5", custom_objects={"Restrained": Restrained})


class Tight(Dense):
    def __init__(self, units, kernel_regularizer=None, **kwargs):
        super().__init__(units, kernel_regularizer=kernel_regularizer, **kwargs)


def test_a_layer_that_is_derived_from_one_here_hands_them_on(tmp_path):
    for regularizer in (None, L2(0.3)):
        Sequential([Tight(2, regularizer, bias_constraint="non_neg", input_dim=3)]).save(tmp_path / "m.h5")
        (layer,) = load_model(tmp_path / "m.h5", custom_objects={"Tight": Tight}).layers
        assert (layer.kernel_regularizer, layer.affine.bias.constraint) == (regularizer, NonNeg())


class InPercent(Spread):
    def get_config(self):
        return {"factor": None, "percent": 100 * self.factor}

    @classmethod
    def from_config(cls, config):
        return cls(config["percent"] / 100)


def test_what_says_itself_how_it_is_made_again_is_made_so(tmp_path):
    Sequential([Dense(1, input_dim=3, kernel_regularizer=InPercent(0.5))]).save(tmp_path / "m.h5")
    (layer,) = load_model(tmp_path / "m.h5", custom_objects={"InPercent": InPercent}).layers
    assert layer.kernel_regularizer.factor == 0.5


def test_inner_layers_are_made_anew_with_theirs(tmp_path):
    layer = Bidirectional(
        LSTM(2, recurrent_regularizer=Spread(0.7), recurrent_constraint="unit_norm"), input_shape=(4, 3)
    )
    assert Bidirectional(LSTM(2, bias_regularizer="l2")).get_config()["backward_layer"]["config"]["bias_regularizer"]
    Sequential([layer]).save(tmp_path / "m.h5")
    (layer,) = load_model(tmp_path / "m.h5", custom_objects={"Spread": Spread}).layers
    for inner in (layer.forward_layer, layer.backward_layer):
        assert (inner.recurrent_regularizer.factor, inner.recurrent_kernel.constraint) == (0.7, UnitNorm())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            {"kernel_regularizer": lambda w: jnp.sum(w)},
            "'dense': its kernel_regularizer <lambda> is one that a file can't name",
        ),
        (
            {"activity_regularizer": type("L2", (Spread,), {})()},
            "its activity_regularizer <L2> is one that a file can't name",
        ),
        (
            {"bias_regularizer": Silent(0.1)},
            "its bias_regularizer: Silent.get_config doesn't say its argument 'strength'",
        ),
    ],
)
def test_what_a_file_could_not_give_back_is_refused(tmp_path, settings, match):
    with pytest.raises(ValueError, match=match):
        Sequential([Dense(1, input_dim=3, **settings)]).save(tmp_path / "m.h5")


# Runs

PENALTY = L2(0.1)


def test_a_run_with_another_penalty_or_constraint_is_another_one(tmp_path):
    def fit(epochs, penalty=PENALTY, **settings):
        model = Sequential([Restrained(penalty, input_shape=(3,)), Dense(1, **settings)])
        model.compile("sgd", "mse")
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
        return model

    fit(1, kernel_regularizer="l2", activity_regularizer="l1")
    fit(2, kernel_regularizer=L2(0.01), activity_regularizer=L1())
    with pytest.raises(ValueError, match=r"layers\.dense\.kernel_regularizer\.l2: 0\.01 then, 0\.02 now"):
        fit(3, kernel_regularizer=L2(0.02), activity_regularizer="l1")
    with pytest.raises(ValueError, match=r"layers\.dense\.activity_regularizer\.class: L1 then, nothing now"):
        fit(3, kernel_regularizer="l2")
    with pytest.raises(ValueError, match=r"layers\.dense\.kernel_constraint: nothing then, NonNeg now"):
        fit(3, kernel_regularizer="l2", activity_regularizer="l1", kernel_constraint="non_neg")
    with pytest.raises(ValueError, match=r"layers\.restrained\.regularizer\.l2: 0\.1 then, 0\.3 now"):
        fit(3, L2(0.3), kernel_regularizer="l2", activity_regularizer="l1")
