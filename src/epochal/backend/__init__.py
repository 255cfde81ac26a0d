"""The functions of Keras 2's backend that are functions of JAX: on arrays, and in a `Lambda` or a loss on tensors.

    >>> from epochal import backend as K
    >>> from epochal.layers import Input, Lambda
    >>> Lambda(lambda x: K.expand_dims(K.mean(x, axis=1)))(Input((3, 4)))
    <Tensor (None, 4, 1) float32>

Each is thin over `jax.numpy`, `jax.nn` or `jax.lax`, which may be used as well.
"""

from typing import TYPE_CHECKING

from ..messages.extras import needed_by
from ..messages.missing import missing_names

with needed_by(__name__):
    from .elementwise import (
        abs,
        cast,
        clip,
        cos,
        elu,
        equal,
        exp,
        greater,
        greater_equal,
        hard_sigmoid,
        less,
        less_equal,
        log,
        maximum,
        minimum,
        not_equal,
        pow,
        relu,
        round,
        sigmoid,
        sign,
        sin,
        softplus,
        softsign,
        sqrt,
        square,
        stop_gradient,
        switch,
        tanh,
    )
    from .products import (
        batch_dot,
        binary_crossentropy,
        categorical_crossentropy,
        dot,
        sparse_categorical_crossentropy,
    )
    from .reductions import (
        all,
        any,
        argmax,
        argmin,
        cumprod,
        cumsum,
        l2_normalize,
        logsumexp,
        max,
        mean,
        min,
        prod,
        softmax,
        std,
        sum,
        var,
    )
    from .settings import (
        backend,
        clear_session,
        dtype,
        epsilon,
        floatx,
        get_value,
        image_data_format,
        int_shape,
        ndim,
        set_epsilon,
        set_floatx,
        set_image_data_format,
    )
    from .shapes import (
        arange,
        batch_flatten,
        concatenate,
        constant,
        expand_dims,
        eye,
        flatten,
        gather,
        one_hot,
        ones,
        ones_like,
        permute_dimensions,
        repeat,
        repeat_elements,
        reshape,
        reverse,
        shape,
        squeeze,
        stack,
        tile,
        transpose,
        zeros,
        zeros_like,
    )

__all__ = [
    "abs", "all", "any", "arange", "argmax", "argmin", "backend", "batch_dot", "batch_flatten", "binary_crossentropy",
    "cast", "categorical_crossentropy", "clear_session", "clip", "concatenate", "constant", "cos", "cumprod", "cumsum",
    "dot", "dtype", "elu", "epsilon", "equal", "exp", "expand_dims", "eye", "flatten", "floatx", "gather", "get_value",
    "greater", "greater_equal", "hard_sigmoid", "image_data_format", "int_shape", "l2_normalize", "less", "less_equal",
    "log", "logsumexp", "max", "maximum", "mean", "min", "minimum", "ndim", "not_equal", "one_hot", "ones",
    "ones_like", "permute_dimensions", "pow", "prod", "relu", "repeat", "repeat_elements", "reshape", "reverse",
    "round", "set_epsilon", "set_floatx", "set_image_data_format", "shape", "sigmoid", "sign", "sin", "softmax",
    "softplus", "softsign", "sparse_categorical_crossentropy", "sqrt", "square", "squeeze", "stack", "std",
    "stop_gradient", "sum", "switch", "tanh", "tile", "transpose", "var", "zeros", "zeros_like",
]  # fmt: skip

_RANDOM = (
    "a compiled step would draw the same numbers each time. A layer has a stream of them: in build(self, shape, rngs) "
    "set self.stream = rngs.dropout.fork(), and in call(self, x, training=None), if training, draw "
    "jax.random.normal(self.stream(), shape)"
)
_VARIABLE = "there is no session. A weight of a layer is made by add_weight, and model.set_weights or assign sets it"
_MODE = "a layer is told by call(self, x, training=None) whether it is training"
_GRADIENT = "jax.grad differentiates functions, and model.gradients(x, y) a model's loss"

_ADVICE = {
    **dict.fromkeys(("random_normal", "random_uniform", "random_binomial", "truncated_normal", "dropout"), _RANDOM),
    **dict.fromkeys(("variable", "placeholder", "update", "update_add", "get_session", "set_session"), _VARIABLE),
    **dict.fromkeys(("learning_phase", "set_learning_phase", "in_train_phase", "in_test_phase"), _MODE),
    "gradients": _GRADIENT,
    "function": "Model(inputs, outputs).predict computes any tensors from others",
    "set_value": "assign to it, as in model.optimizer.lr = 0.01, or weight.assign(value)",
    "eval": "get_value(x) gives an array's values",
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "pool2d", "rnn"), "jax.lax has it, and epochal.layers the layer"),
}

if not TYPE_CHECKING:
    __getattr__ = missing_names(__name__, __all__, _ADVICE)
