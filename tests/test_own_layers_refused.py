"""What a user's own layer can't do is an error with advice, and what would have no effect is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from regression import X, Y

from epochal import layers
from epochal.layers import Dense, Input
from epochal.models import Sequential


def model_of(*listed, optimizer="sgd", loss="mse"):
    model = Sequential([Input((4,)), *listed])
    model.compile(optimizer, loss)
    return model


def called(make):
    return lambda: make()(Input((4,)))


def makes_in_call():
    class Makes(layers.Layer):
        def call(self, x):
            return Dense(3)(x)

    return Makes()


def makes_lazily():
    class Makes(layers.Layer):
        def call(self, x):
            if not hasattr(self, "dense"):
                self.dense = Dense(3)
            return self.dense(x)

    return Makes()


def makes_a_weight_in_call():
    class Makes(layers.Layer):
        def call(self, x):
            return x * self.add_weight((4,))

    return Makes()


def forgets_super():
    class Forgets(layers.Layer):
        def __init__(self):
            self.dense = Dense(3)

        def call(self, x):
            return self.dense(x)

    return Forgets()


def adds_a_vector():
    class Adds(layers.Layer):
        def call(self, x):
            self.add_loss(x)
            return x

    return Adds()


def builds_of(build):
    return type("Builds", (layers.Layer,), {"build": build})()


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (makes_in_call, ValueError, "Makes calls a Dense that is none of its parts.*Make it in __init__ or in build"),
        (makes_lazily, ValueError, "Makes.call makes the layer 'dense' .*make it in __init__ or in build"),
        (makes_a_weight_in_call, ValueError, "Makes.call makes a weight, .*make it in __init__ or in build"),
        (forgets_super, TypeError, r"Forgets.__init__ doesn't call super\(\).__init__\(\)"),
        (lambda: type("Empty", (layers.Layer,), {"call": lambda self, x: None})(), TypeError, "Empty.call returns nothing"),
        (adds_a_vector, ValueError, r"Adds.add_loss takes one number, such as a mean; got an array of shape \(1, 4\)"),
        (lambda: builds_of(lambda self, s: self.add_weight("w", (3,))), TypeError, r"add_weight\(shape=…, name='w'\)"),
        (lambda: builds_of(lambda self, s: self.add_weight(s)), ValueError, "without open axes; got .None, 4."),
        (lambda: builds_of(lambda self, s: self.add_weight((4,), aggregation="sum")), ValueError, "aggregation='sum' isn't"),
        (lambda: builds_of(lambda self, s: self.add_weight((4,), shapes=3)), TypeError, "no argument 'shapes'"),
        (lambda: builds_of(lambda self, a_shape, b_shape: None), TypeError, "takes 'a_shape'; .*or one of x_shape"),
        (lambda: builds_of(lambda self, s: setattr(self, "weights", 3)), AttributeError, "an attribute 'weights'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_advice(make, error, match):
    with pytest.raises(error, match=match):
        called(make)()


def test_a_constructor_that_forgets_its_base_is_told_in_a_list_of_layers_too():
    with pytest.raises(TypeError, match=r"Forgets.__init__ doesn't call super\(\).__init__\(\)"):
        Sequential([forgets_super(), Dense(1)])


def test_a_layer_that_is_no_part_of_the_model_is_told():
    dense = Dense(1)
    dense(X)
    with pytest.warns(
        UserWarning, match="'dense' .Dense. is called in a model of which it is no part: its weights stay"
    ):
        Sequential([Input((4,)), lambda x: dense(x)])


def test_parts_that_are_added_after_compiling_are_refused():
    model = model_of(layer := Growing())
    model.fit(X, Y, verbose=0)
    layer.denses.append(Dense(1))
    with pytest.raises(ValueError, match="layers or variables were added to the module.*Compile it again"):
        model.fit(X, Y, verbose=0)


class Growing(layers.Layer):
    def __init__(self):
        super().__init__()
        self.calls, self.denses = 0, [Dense(1)]

    def call(self, x):
        for dense in self.denses:
            x = dense(x)
        return x


def test_a_number_that_call_changes_is_told():
    class Counts(Growing):
        def call(self, x):
            self.calls += 1
            return super().call(x)

    with pytest.warns(UserWarning, match="the attribute 'calls' is changed in the forward pass, .*add_weight"):
        model_of(Counts()).fit(X, Y, verbose=0)


class Arrays(layers.Layer):
    """Has arrays that are no variables, also in a tuple; replaces one in training."""

    def __init__(self):
        super().__init__()
        self.table, self.pair = np.ones(4, "float32"), (np.ones(4, "float32"), "x")
        self.key, self.half = jax.random.key(0), jnp.ones(())

    def call(self, x, training=None):
        if training:
            self.half = self.half / 2
            self.key, key = jax.random.split(self.key)
            x = x + 0 * jax.random.normal(key, x.shape)
        return x * self.table * self.pair[0]


def test_arrays_in_attributes_are_constants_or_the_layers_own_state():
    model = model_of(layer := Arrays(), Dense(1, kernel_initializer="ones"))
    model.fit(X, Y, batch_size=16, verbose=0)
    assert layer.half == 0.25
    assert layer.key != jax.random.key(0)
    assert isinstance(layer.table, np.ndarray)
    assert len(model.get_weights()) == 2
    layer.pair = (np.zeros(4, "float32"), "x")
    assert np.array_equal(model.predict(X), np.tile(model.get_weights()[1], (32, 1)))


def test_a_layer_that_no_attribute_of_a_layer_has_is_refused_in_a_step_too():
    hidden = [Dense(3)]
    model = Sequential([Input((4,)), lambda x: x + 1])
    with pytest.raises(ValueError, match="calls a Dense that is none of its parts"):
        Sequential([Input((4,)), lambda x: hidden[0](x)])
    assert model.built
