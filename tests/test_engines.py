"""Both engines have all that the loop asks of an engine, and nothing else is asked."""

import inspect

import pytest
from numpy_engine import NumpyEngine

from epochal.core.engine import Engine, WeightStore
from epochal.engines.jax.engine import JaxEngine
from epochal.engines.jax.module_store import ModuleWeightStore
from epochal.engines.jax.weight_store import JaxWeightStore


def methods(protocol):
    return {name: value for name, value in vars(protocol).items() if inspect.isfunction(value) and name[0] != "_"}


@pytest.mark.parametrize(
    ("protocol", "implementation"),
    [(Engine, JaxEngine), (Engine, NumpyEngine), (WeightStore, JaxWeightStore), (WeightStore, ModuleWeightStore)],
)
def test_what_is_asked_is_there_under_the_same_names(protocol, implementation):
    assert len(methods(protocol)) >= 6
    for name, method in methods(protocol).items():
        own = inspect.signature(getattr(implementation, name))
        assert list(own.parameters) == list(inspect.signature(method).parameters), name
