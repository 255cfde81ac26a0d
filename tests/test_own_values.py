"""What own metrics return: values of narrow dtypes, states of other shapes, and names that are taken."""

import jax.numpy as jnp
import numpy as np
import pytest

from epochal import metrics
from epochal.layers import Dense
from epochal.models import Sequential

X = np.random.default_rng(0).normal(size=(5000, 4)).astype("f4")
Y = X[:, :1]


def compiled(*own):
    model = Sequential([Dense(1, input_dim=4)])
    model.compile("sgd", "mse", metrics=list(own))
    return model


@pytest.mark.parametrize(("dtype", "value"), [("float16", 200), ("bfloat16", 1), ("int32", 2**30), ("int8", 100)])
def test_values_of_narrow_dtypes_are_added_up_in_float32(dtype, value):
    def same(y, p):
        return jnp.full(y.shape[:1], value, dtype)

    assert compiled(same).evaluate(X, Y, batch_size=2500, verbose=0)[1] == value


@pytest.mark.parametrize("name", ["loss", "val_loss", "val_mae"])
def test_a_metric_takes_no_other_values_name(name):
    own = metrics.MeanMetric(lambda y, p: jnp.mean(p), name=name)
    with pytest.raises(ValueError, match=f"logged as '{name}', as another value is: give it another name"):
        compiled("mae", own).fit(X, Y, verbose=0)


class Total(metrics.Metric):
    def init(self):
        return {"total": jnp.zeros(()), "seen": 0}

    def update(self, state, y_true, y_pred, sample_weight=None):
        return {"total": state["total"] + y_true.sum(), "seen": state["seen"] + len(y_true)}

    def result(self, state):
        return state["total"] / state["seen"]


class Column(Total):
    def update(self, state, y_true, y_pred, sample_weight=None):
        return {"total": state["total"] + y_true.sum(0), "seen": state["seen"]}


class Forgetful(Total):
    def update(self, state, y_true, y_pred, sample_weight=None):
        return {"total": state["total"] + y_true.sum()}


class Several(Total):
    def result(self, state):
        return jnp.stack([state["total"], state["total"]])


def test_states_and_results_of_own_metrics_are_checked():
    assert compiled(Total()).evaluate(X, Y, verbose=0)[1] == pytest.approx(Y.mean(), abs=1e-5)
    with pytest.raises(ValueError, match=r"update\(\) of total must return .* like init.*shape \(1,\)"):
        compiled(Column()).fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"update\(\) of total must return a state like init"):
        compiled(Forgetful()).fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"result\(\) of total has shape \(2,\); a logged value is one number"):
        compiled(Several()).evaluate(X, Y, verbose=0)


def test_settings_of_a_validation_that_there_is_not():
    with pytest.warns(UserWarning, match="no effect: there is no validation_data"):
        compiled().fit(X[:32], Y[:32], validation_steps=2, verbose=0)
