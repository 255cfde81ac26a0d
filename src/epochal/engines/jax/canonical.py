"""Rewrite a step so that XLA's CPU backend keeps its fast kernels inside a loop.

Two facts, measured with jaxlib 0.10.2 on a CPU:

- The pass that brings convolutions into the layout of the fast kernels looks at the entry computation
  only. Inside a while-loop's body their gradients run on naive loops, 4 to 6 times slower.
- JAX writes the gradient of a dense kernel as `(dz.T @ x).T`. XLA turns it into `x.T @ dz`, which is slow
  when `dz` has few columns. A barrier in between keeps it as it was written.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from jax import Array, lax
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Primitive, Var

NARROW = 64
"""Dense layers of at most this many outputs keep their kernel's gradient as JAX writes it."""


def canonical(traced: ClosedJaxpr, *args: Any) -> list[Any]:
    """Evaluate a traced step on flat arguments, rewritten; its values stay equal."""
    return _evaluate(traced.jaxpr, traced.consts, *args)


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], *args: Any) -> list[Any]:
    values: dict[Var, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(atom: Var | Literal) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    for eqn in jaxpr.eqns:
        inputs, name = [read(v) for v in eqn.invars], eqn.primitive.name
        out: Any
        if name == "conv_general_dilated":
            out = _convolution(*inputs, **eqn.params)
        elif name == "dot_general" and _is_narrow_kernel_gradient(eqn):
            out = lax.optimization_barrier(_bind(eqn.primitive, inputs, eqn.params))
        elif name == "jit":
            out = _evaluate(eqn.params["jaxpr"].jaxpr, eqn.params["jaxpr"].consts, *inputs)
        else:
            params = cast("Mapping[str, Any]", eqn.primitive.get_bind_params(eqn.params))
            out = _bind(eqn.primitive, inputs, params)
        values.update(zip(eqn.outvars, out if eqn.primitive.multiple_results or name == "jit" else [out], strict=True))
    return [read(v) for v in jaxpr.outvars]


def _convolution(lhs: Array, rhs: Array, *, dimension_numbers: lax.ConvDimensionNumbers, **params: Any) -> Array:
    """Convolve in NHWC/HWIO order, with transposes around it that XLA can't fold back."""
    last, spatial = lhs.ndim - 1, range(1, lhs.ndim - 1)
    nhwc = (0, last, *spatial)
    hwio = (last, last - 1, *(axis - 1 for axis in spatial))
    wanted = lax.ConvDimensionNumbers(nhwc, hwio, nhwc)

    def convolved(lhs: Array, rhs: Array) -> Array:
        return _bind(lax.conv_general_dilated_p, (lhs, rhs), {"dimension_numbers": wanted, **params})

    if dimension_numbers == wanted:
        return convolved(lhs, rhs)
    (n, c, *hw), (o, i, *kernel), (out_n, out_c, *out_hw) = dimension_numbers
    lhs = lax.optimization_barrier(lax.transpose(lhs, (n, *hw, c)))
    rhs = lax.optimization_barrier(lax.transpose(rhs, (*kernel, i, o)))
    out = convolved(lhs, rhs)
    return lax.transpose(lax.optimization_barrier(out), np.argsort((out_n, *out_hw, out_c)))


def _bind(primitive: Primitive, inputs: Sequence[Any], params: Mapping[str, Any]) -> Any:
    return cast("Any", primitive.bind(*inputs, **params))


def _is_narrow_kernel_gradient(eqn: JaxprEqn) -> bool:
    dz, x = map(_shaped, eqn.invars)
    over_rows = eqn.params["dimension_numbers"] == (((0,), (0,)), ((), ()))
    return over_rows and dz.ndim == x.ndim == 2 and dz.shape[1] <= NARROW


def _shaped(variable: Any) -> ShapedArray:
    return variable.aval


def equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """Yield every equation of a jaxpr and of the jaxprs within."""
    for eqn in jaxpr.eqns:
        yield eqn
        for param in eqn.params.values():
            inner = cast("Sequence[object]", param) if isinstance(param, (tuple, list)) else (param,)
            for item in inner:
                program: Any = getattr(item, "jaxpr", item)
                if hasattr(program, "eqns"):
                    yield from equations(program)


def multiplications(jaxpr: Jaxpr) -> int:
    """Count the multiplications in the matrix products and convolutions of a jaxpr."""
    total = 0
    for eqn in equations(jaxpr):
        if eqn.primitive.name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            shape = _shaped(eqn.invars[0]).shape
            total += _shaped(eqn.outvars[0]).size * math.prod(shape[axis] for axis in contracted)
        elif eqn.primitive.name == "conv_general_dilated":
            kernel = _shaped(eqn.invars[1])
            filters = kernel.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
            total += _shaped(eqn.outvars[0]).size * kernel.size // filters
    return total
