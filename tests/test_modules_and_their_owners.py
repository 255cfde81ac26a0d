"""What a module may be, and what stays its owner's business."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from nnx_nets import TARGETS, Linear, Net, X, Y, compiled

from epochal import losses
from epochal.callbacks import (
    EarlyStopping,
    LambdaCallback,
)
from epochal.models import Model


def linear(module=None, **options):
    model = Model(module or Linear())
    model.compile(**{"optimizer": "sgd", "loss": "mse"} | options)
    return model


def kernel_of(model):
    return next(w for w in model.get_weights() if w.ndim == 2)


def test_the_module_holds_the_weights_in_functions_and_after_every_call():
    module = Linear()
    model = linear(module)
    first, seen = np.array(module.linear.kernel[...]), []

    def look(epoch, logs):
        seen.append(np.array_equal(module.linear.kernel[...], kernel_of(model)))

    model.fit(X, TARGETS, epochs=2, verbose=0, callbacks=[LambdaCallback(on_epoch_end=look)])
    assert seen == [True, True]
    assert not np.array_equal(module.linear.kernel[...], first)
    model.train_on_batch(X, TARGETS)
    np.testing.assert_array_equal(module.linear.kernel[...], kernel_of(model))
    model.set_weights([np.ones(1), np.zeros((6, 1))])
    assert not np.any(module.linear.kernel[...])


def test_what_is_written_into_the_module_is_read_and_saved_at_once(tmp_path):
    module = Linear()
    model = linear(module)
    model.fit(X, TARGETS, verbose=0)
    module.linear.kernel[...] = jnp.zeros((6, 1))
    assert not kernel_of(model).any()
    model.save_weights(tmp_path / "w.h5")
    other = linear()
    other.load_weights(tmp_path / "w.h5")
    assert not kernel_of(other).any()


def test_whether_the_module_is_in_training_mode_is_its_owners_business():
    module = Net()
    module.eval()
    model = compiled(module)
    model.fit(X, Y, verbose=0)
    model.predict(X)
    model(X)
    flags = [m.use_running_average for _, m in nnx.iter_graph(module) if isinstance(m, nnx.BatchNorm)]
    assert flags
    assert all(flags)


def test_a_module_with_another_layer_than_before_says_what_to_do():
    module = Linear()
    model = linear(module)
    model.fit(X, TARGETS, verbose=0)
    module.linear = nnx.Linear(6, 1, rngs=nnx.Rngs(1))
    with pytest.raises(ValueError, match="other variables than when it was compiled: compile it again"):
        model.get_weights()
    model.compile("sgd", "mse")
    model.fit(X, TARGETS, verbose=0)


class Sowing(Linear):
    def __call__(self, x):
        made = self.linear(x)
        self.sow(nnx.Intermediate, "made", made)
        return made


@pytest.mark.filterwarnings("ignore:Using 'Module.sow:DeprecationWarning")
def test_a_module_that_sows_may_have_been_called_before():
    module = Sowing()
    module(X)
    model = linear(module)
    model.fit(X, TARGETS, verbose=0)
    model(X)
    module(X)
    assert len(model.get_weights()) == 2
    model.fit(X, TARGETS, verbose=0)


class Remembering(Linear):
    def __init__(self):
        super().__init__()
        self.last, self.key = nnx.BatchStat(jnp.zeros(())), nnx.Variable(jax.random.key(0))

    def __call__(self, x):
        self.last.set_value(3.0)
        return self.linear(x)


def test_a_plain_number_and_a_random_key_may_be_a_modules_state(tmp_path):
    model = linear(Remembering())
    weights = model.get_weights()
    assert len(weights) == 3
    model.set_weights(weights)
    model.fit(X, TARGETS, verbose=0, validation_split=0.5, callbacks=[EarlyStopping(restore_best_weights=True)])
    model.save_weights(tmp_path / "w.h5")
    model.load_weights(tmp_path / "w.h5")
    assert 3.0 in [w.item() for w in model.get_weights() if w.shape == ()]


class Several(Linear):
    def __call__(self, x):
        made = self.linear(x)
        return made, {"twice": 2 * made, "pair": (made, made)}


def test_a_module_may_return_a_nest():
    first, nest = linear(Several()).predict(X)
    np.testing.assert_array_equal(nest["twice"], 2 * first)
    model = Model(Several())
    model.compile("sgd", loss={"output_1": "mse"})
    assert len(model.fit(X, {"output_1": TARGETS}, verbose=0).history["loss"]) == 1
    assert model.output_names == ["output_1", "output_2_pair_1", "output_2_pair_2", "output_2_twice"]


def test_steps_of_any_number_go_through_a_module():
    class Steps(nnx.Module):
        def __init__(self):
            self.linear = nnx.Linear(6, 2, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.linear(x)

    model = Model(Steps())
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = [(np.zeros((4, n, 6), "float32"), np.zeros((4, n), "int32")) for n in (5, 7)]
    assert len(model.fit(batches, verbose=0).history["loss"]) == 1


def test_an_error_names_the_layer_whatever_its_methods_call_themselves():
    class Odd(nnx.Module):
        def __call__(me, x):
            raise ValueError("not like this")

    class Outer(nnx.Module):
        def __init__(self):
            self.odd = Odd()

        def __call__(self, x):
            return self.odd(x)

    with pytest.raises(ValueError, match="not like this") as caught:
        linear(Outer()).fit(X, TARGETS, verbose=0)
    assert any("'odd' (Odd)" in note for note in caught.value.__notes__)
