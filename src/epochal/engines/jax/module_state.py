"""What flax splits a module into."""

from __future__ import annotations

from typing import Any, TypeAlias

from flax import nnx

Graph: TypeAlias = nnx.GraphDef[nnx.Module]
"""A module without its arrays."""

ModuleState: TypeAlias = nnx.State[Any, Any]
"""Some of a module's variables, in a nest by their paths."""
