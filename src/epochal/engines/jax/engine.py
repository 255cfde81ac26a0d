"""The JAX engine: spans of training steps of a flax NNX module."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import jax
import numpy as np
from flax import nnx

from ...core.dirty import DIRTY_ENGINES
from ...core.logs import fetch
from ...data.batches import Chunk, HostArrays, Span
from ...data.nests import map_arrays
from ...messages.names import path_name
from .arrays import PlainArrays
from .placement import Layout, Placement, check_width
from .programs import Program
from .rates import named, rates_in
from .state import State, listed, outline, plain
from .steps import Among, LoggedMetric, Objective, Path, Steps
from .updates import AVERAGED, Update, prepared


class SpanResult:
    """A span's table of logs, still on the device.

    Args:
        table: float32; its corner is the number of batches, then comes a row a batch.
        counts: For each column 0 if it has the batches' values, else how many values a sample has in its sums.
        size: Samples a batch.
        cold: Whether something was compiled.
    """

    def __init__(self, table: jax.Array, counts: tuple[int, ...], size: int, cold: bool) -> None:
        self._table, self.counts, self._size, self.cold = table, counts, size, cold
        self._host: np.ndarray | None = None

    def _fetched(self) -> np.ndarray:
        if self._host is None:
            self._host = fetch(self._table)
        return self._host

    def count(self) -> int:
        """Return how many batches were run."""
        return int(self._fetched()[0, 0])

    def rows(self) -> list[list[float]]:
        """Return the logged values, one row a batch."""
        table = self._fetched()[1 : 1 + self.count()]
        if any(self.counts):
            table = table / np.array([count * self._size or 1 for count in self.counts], np.float64)
        return table.tolist()

    def sums(self) -> np.ndarray:
        """Return what the epoch's means are made of: for each batch its sums, of all values that a sample has."""
        table = self._fetched()[1 : 1 + self.count()]
        return table * np.array([1 if count else self._size for count in self.counts], np.float64)


class Outputs:
    """A span's predictions, still on the device."""

    def __init__(self, outputs: list[Any], cold: bool) -> None:
        self._outputs, self.cold = outputs, cold

    def count(self) -> int:
        """Return how many batches were run."""
        jax.block_until_ready(self._outputs)
        return len(self._outputs)

    def rows(self) -> list[tuple[Any]]:
        """Return the outputs, one a batch."""
        return [(jax.tree.map(fetch, output),) for output in self._outputs]


class JaxEngine:
    """Holds a module's state and runs spans of steps on it.

    Args:
        module: What is trained; its arrays are copied, and `write_back` writes them back.
        objective: What is minimised; None for a module that only predicts.
        predict: `(module, x) -> y_pred`.
        measures: The metrics, in log order.
        optimizer: Has `learning_rate` and `transform()`; see `epochal.optimizers`.
        dtype: What floats are computed in, if not in the dtypes they have; weights keep theirs.
        accumulate: In how many parts a training batch goes through the module.
        adapt: Brings inputs into the dtypes that the module takes.
        trained: The paths of the variables that are trained; None for all parameters.
        at_rest: The paths of the modules that stay in inference mode, also in training.
    """

    def __init__(
        self,
        module: nnx.Module,
        objective: Objective | None,
        predict: Callable[[Any, Any], Any],
        measures: Sequence[LoggedMetric] = (),
        optimizer: Any = None,
        dtype: Any = None,
        accumulate: int = 1,
        adapt: Callable[[Any], Any] = lambda x: x,
        trained: Collection[Path] | None = None,
        at_rest: Collection[Path] = (),
    ) -> None:
        self.module, self.optimizer = module, optimizer
        self._is_trained = nnx.Param if trained is None else Among(frozenset(trained))
        testing, training, params, other = _in_both_modes(module, self._is_trained, at_rest)
        update, optimizer_state = (None, ()) if optimizer is None else prepared(optimizer, params)
        self._steps = Steps(
            objective, predict, measures, training, testing, update, dtype=dtype, accumulate=accumulate,
            adapt=adapt, is_trained=self._is_trained,
        )  # fmt: skip
        self.measures = list(measures)
        self.names = [*(objective.names if objective else ()), *(measure.name for measure in measures)]
        self._state = State(
            {
                "average": params if self._steps.averages else (),
                "params": params,
                "other": other,
                "optimizer": optimizer_state,
                "metrics": self._steps.initial_metrics(),
            }
        )
        self._tested = State({"metrics": self._steps.initial_metrics()})
        self._placement = Placement()
        self._programs: dict[tuple[str, Layout], Program] = {}
        self._looked_at: WeakSet[HostArrays[object]] = WeakSet()  # what was predicted on, and needs no other look
        self._at_hand: WeakKeyDictionary[Chunk, tuple[str, Program, Any, Any]] = WeakKeyDictionary()
        self._predict = jax.jit(self._output)
        self._rates = named(list(rates_in({"optimizer": optimizer_state})))
        self._pushed_rates: Mapping[str, float] = {}
        self._expose_rates()
        if optimizer is not None:
            optimizer.count_by(self.iterations)
        self._variables = _variables(module)
        self._paths = {id(variable): path for path, variable in self._variables.items()}
        self._ahead, self._seen = False, DIRTY_ENGINES.changes
        self._arrays = PlainArrays(module)
        self._nodes = _nodes(module)
        self._remember_shown()

    # Spans

    def train(self, span: Span, stop_when_not_finite: bool) -> SpanResult:
        """Start a span of training steps and store the new state."""
        if self._seen != DIRTY_ENGINES.changes or not self._ahead:  # else somebody may have written
            self.pull_external_writes()
        self._push_rates()
        self._go_ahead()
        try:
            return self._run("train", self._state, [], span, stop_when_not_finite)
        except Exception as error:
            if self._state.lost:
                error.add_note(
                    "The training state was consumed by the call that failed. Load it again: load_weights(…), "
                    "load_model(…), or fit with BackupAndRestore."
                )
            raise

    def test(self, span: Span, stop_when_not_finite: bool) -> SpanResult:
        """Start a span of evaluation steps."""
        if self._seen != DIRTY_ENGINES.changes:
            self.pull_external_writes()
        return self._run("test", self._tested, self._state.leaves, span, stop_when_not_finite)

    def _run(self, phase: str, changing: State, fixed: list[Any], span: Span, stop: bool) -> SpanResult:
        program, arrays, order = self._ready(phase, span.chunk)
        control = np.array([span.start, span.count, stop], np.int32)
        traces = program.traces
        changing.leaves, table = program(changing.leaves, fixed, control, order, arrays)
        return SpanResult(table, program.counts, span.chunk.size, program.traces > traces)

    def _ready(self, phase: str, chunk: Chunk) -> tuple[Program, list[jax.Array], jax.Array | None]:
        """Return the program for a chunk and what it runs on; looked up once a chunk, for the sake of short spans."""
        if (ready := self._at_hand.get(chunk)) is None or ready[0] != phase:
            layout, arrays, order = self._placement.place(chunk)
            if (program := self._programs.get((phase, layout))) is None:
                program = self._programs[phase, layout] = self._program(phase, layout)
            ready = self._at_hand[chunk] = (phase, program, arrays, order)
        return ready[1:]

    def _program(self, phase: str, layout: Layout) -> Program:
        steps, tree = self._steps, self._state.tree
        tested = self._tested.tree

        def train(leaves: list[Any], fixed: list[Any], rows: list[Any]) -> Any:
            after, values = steps.train(jax.tree.unflatten(tree, leaves), layout.decode(rows))
            return jax.tree.leaves(after), values

        def test(leaves: list[Any], fixed: list[Any], rows: list[Any]) -> Any:
            metrics = jax.tree.unflatten(tested, leaves)["metrics"]
            after, values = steps.test(metrics, jax.tree.unflatten(tree, fixed), layout.decode(rows))
            return jax.tree.leaves({"metrics": after}), values

        return Program({"train": train, "test": test}[phase], layout, len(self.names))

    def predict(self, span: Span, stop_when_not_finite: bool) -> Outputs:
        """Start the prediction of a span of batches."""
        chunk = span.chunk
        if chunk.rows not in self._looked_at:
            check_width(chunk.rows.arrays[0])
            self._looked_at.add(chunk.rows)
        starts = range(span.start, span.start + span.count * chunk.size, chunk.size)
        batches = [map_arrays(lambda a, at=at: a[at : at + chunk.size], chunk.rows.arrays[0]) for at in starts]
        return Outputs([self._predict(self._state.leaves, batch) for batch in batches], cold=False)

    def _output(self, leaves: list[Any], x: Any) -> Any:
        return self._steps.outputs(jax.tree.unflatten(self._state.tree, leaves), x)

    # Metrics that are no plain means

    def reset_metrics(self, phase: str) -> None:
        """Begin an epoch ("train") or an evaluation ("test")."""
        state = self._state if phase == "train" else self._tested
        if fresh := self._steps.initial_metrics():
            state.replace("metrics", jax.tree.map(jax.numpy.copy, fresh))

    def metric_states(self) -> list[Any]:
        """Return copies of what the metrics that are no plain means have counted, in training and in evaluation."""
        return [jax.tree.map(jax.numpy.copy, state.parts()["metrics"]) for state in (self._state, self._tested)]

    def load_metric_states(self, states: Sequence[Any]) -> None:
        """Take up what `metric_states` returned."""
        for state, counted in zip((self._state, self._tested), states, strict=True):
            state.replace("metrics", counted)

    def metric_results(self, phase: str) -> dict[str, float]:
        """Return their results since `reset_metrics`."""
        state = self._state if phase == "train" else self._tested
        results = (
            self._steps.metric_results(state.parts()["metrics"])
            if not all(m.is_mean for m in self._steps.measures)
            else {}
        )
        return {name: fetch(value).item() for name, value in results.items()}

    # The learning rates: floats of the optimizer object, pushed into the state when they have changed

    def _expose_rates(self) -> None:
        if self.optimizer is not None and not self.optimizer.is_known:
            scheduled = [name for name, rate in self._rates.items() if rate.scheduled]
            self.optimizer.expose_rates(
                {name: self._state.read(self._rate_at(name)).item() for name in self._rates}, scheduled
            )

    def _rate_at(self, name: str) -> int:
        place = self._state.place(path_name(self._rates[name].path))
        assert place is not None
        return place

    def _push_rates(self) -> None:
        rates: dict[str, float] = self.optimizer.learning_rates.as_dict()
        if rates != self._pushed_rates:
            for name, rate in rates.items():
                self._state.write(self._rate_at(name), rate)
            self._pushed_rates = rates

    def last_rate(self) -> float | None:
        """Return the learning rate of the last step; None if the optimizer's state has none, or several."""
        return self._state.read(self._rate_at(*self._rates)).item() if len(self._rates) == 1 else None

    def iterations(self) -> int:
        """Return how many steps the optimizer has done."""
        place = self._state.place("optimizer/count")
        return 0 if place is None else int(self._state.read(place))

    @property
    def objective(self) -> Objective | None:
        """What a step minimises."""
        return self._steps.objective

    @property
    def is_trained(self) -> Any:
        """An nnx filter for the variables that are trained."""
        return self._is_trained

    # Averaged weights

    def track_average(self, decay: float | None) -> None:
        """Keep an exponential average of the weights in the step from now on; None stops.

        While it is kept, testing, predicting, reading and saving weights use the average.
        """
        if decay is None and self._steps.decay is None:
            return
        if self._steps.averages and decay is not None:
            raise ValueError(
                "the weights are averaged already, by the optimizer or by another callback: average them once."
            )
        parts = self._state.parts()
        self._steps = dataclasses.replace(self._steps, decay=decay)
        self._state = State(parts | {"average": parts["params"] if decay is not None else ()})
        self._go_ahead()
        self._programs.clear()
        self._at_hand.clear()
        self._predict = jax.jit(self._output)

    def use_average(self) -> None:
        """Go on with the averaged weights as the weights."""
        self._state.replace("params", jax.tree.map(jax.numpy.copy, self._state.parts()["average"]))
        self._go_ahead()

    # Weights, by the module's own variables

    def _places(self, weight: Any, keys: Iterable[Any] = ()) -> list[int]:
        """Return where a weight's values are: the ones to be seen first, then the ones that are trained.

        Args:
            weight: A variable, or what has one as `variable` and the keys to one of its arrays as `keys`.
            keys: To an array in the nest that the variable holds.
        """
        if not isinstance(weight, nnx.Variable):
            weight, keys = weight.variable, weight.keys
        if (path := self._paths.get(id(weight))) is None:
            raise ValueError("the module has other variables than when it was compiled: compile it again.")
        ends = path_name(("value", *keys))
        places = (self._state.place(f"{part}/{path}/{ends}") for part in ("average", "params", "other"))
        found = [place for place in places if place is not None]
        if self._has_own_average:
            found += self._state.ending(*(f"/{name}/{path}/{ends}" for name in AVERAGED))
        if not found:
            raise ValueError(f"{path} holds another nest than when the module was compiled: compile it again.")
        return found

    def read(self, variables: Iterable[Any]) -> list[np.ndarray]:
        """Return host copies of the current values of some of the module's variables."""
        return [self._state.read(self._places(variable)[0]) for variable in variables]

    def write(self, variables: Iterable[Any], values: Iterable[Any]) -> None:
        """Replace the values of some of the module's variables; shapes must agree."""
        for variable, value in zip(variables, values, strict=True):
            for place in self._places(variable):
                self._state.write(place, value)
        self._go_ahead()

    def leaves(self, variables: Iterable[Any]) -> list[jax.Array]:
        """Return what `read` does as it is on the device; the next step consumes it."""
        return [self._state.plain(self._places(variable)[0]) for variable in variables]

    def load_owned(self, variables: Iterable[Any], values: Iterable[np.ndarray]) -> None:
        """Do as `write` does with arrays of the right shapes and dtypes that nobody else will use."""
        for variable, value in zip(variables, values, strict=True):
            for place in self._places(variable):
                self._state.adopt(place, value)
        self._go_ahead()

    def write_back(self) -> None:
        """Write copies of the current state into the module's own arrays, if they are older."""
        if self._ahead and not self.lost:
            self._take_up_written()
            parts = jax.tree.map(jax.numpy.copy, self._state.parts())
            said = [(v, v.trainable) for v in self._variables.values() if v.has_metadata("trainable")]
            nnx.update(self.module, self._steps.shown(parts), self._show_arrays(parts["other"]))
            for variable, trainable in said:  # since it was compiled, perhaps: the state has the metadata of then
                variable.set_metadata("trainable", trainable)
            self._ahead = False
            self._seen = DIRTY_ENGINES.discard(self)
            self._remember_shown()

    def _show_arrays(self, other: Any) -> Any:
        """Put arrays that are no variables into the module; return the state of the others."""
        if not self._arrays:
            return other
        flat = nnx.to_flat_state(other)
        for path, value in flat:
            self._arrays.show(path, value)
        return nnx.from_flat_state([(path, value) for path, value in flat if path not in self._arrays])

    def _go_ahead(self) -> None:
        """Note that the module's own arrays are older than the state."""
        if not self._ahead:
            self._ahead = True
            self._seen = DIRTY_ENGINES.add(self)

    def _remember_shown(self) -> None:
        self._shown = {path: variable.get_value() for path, variable in self._variables.items()}
        nests = {path: value for path, value in self._shown.items() if not hasattr(value, "shape")}
        self._nests = {path: jax.tree.leaves(value) for path, value in nests.items()}

    def pull_external_writes(self) -> None:
        """Take up what others wrote into the module's own arrays since they were last looked at.

        Others are the user, and models that have layers in common with this one.
        """
        DIRTY_ENGINES.write_back(self._paths, but=self)
        self._seen = DIRTY_ENGINES.changes
        self._take_up_written()

    def _take_up_written(self) -> None:
        for path, variable in self._variables.items():
            value = variable.get_value()
            if value is not self._shown[path] and (path not in self._nests or self._differs(path, value)):
                for keys, leaf in jax.tree_util.tree_flatten_with_path(value)[0]:
                    for place in self._places(variable, keys):
                        self._state.take_up(place, leaf)
                self._shown[path] = value
                if path in self._nests:
                    self._nests[path] = jax.tree.leaves(value)

        for path, value in self._arrays.written():
            place = self._state.place(f"other/{path_name(path)}")
            assert place is not None
            self._state.take_up(place, value)

    def check_structure(self) -> None:
        """Raise a ValueError if the module has other layers or variables than when the engine was made."""
        if self._nodes != _nodes(self.module):
            raise ValueError(
                "layers or variables were added to the module, or taken out of it, since it was compiled: a layer's "
                "parts are made in its constructor or in build. Compile it again."
            )

    def _differs(self, path: str, nest: Any) -> bool:
        """Return whether a nest, which flax returns as another object each time, has other arrays than it had."""
        leaves, shown = jax.tree.leaves(nest), self._nests[path]
        return len(leaves) != len(shown) or any(a is not b for a, b in zip(leaves, shown, strict=True))

    @property
    def variable_ids(self) -> Iterable[int]:
        """The ids of the module's variables."""
        return self._paths.keys()

    @property
    def lost(self) -> bool:
        """Whether a call that failed has consumed the state."""
        return self._state.lost

    # The optimizer's state

    def optimizer_leaves(self) -> dict[str, jax.Array]:
        """Return the optimizer's state by path, as it is on the device; the next step consumes it.

        The weights that it trains are part of it if it wants others to be tested and saved.
        """
        parts = ("optimizer/", "params/") if self._has_own_average else ("optimizer/",)
        return {path: self._state.plain(at) for at, path in enumerate(self._state.paths) if path.startswith(parts)}

    def load_optimizer(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take up an optimizer's state, as outlined by `optimizer_outline`; nobody else may use the arrays.

        The weights that it trains may be missing: it then goes on from the module's.
        """
        shown = self.read(self._variables.values())
        for path, array in arrays.items():
            place = self._state.place(path)
            assert place is not None
            self._state.adopt(place, array)
        if self._has_own_average and not any(path.startswith("params/") for path in arrays):
            self.write(self._variables.values(), shown)
        self._expose_rates()

    @property
    def _has_own_average(self) -> bool:
        return self._steps.update is not None and self._steps.update.has_own_average

    # The whole state

    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot of everything a step changes, by path, and the learning rates in full precision."""
        rates = {} if self.optimizer is None else self.optimizer.learning_rates.as_dict()
        return {"arrays": self._state.snapshot(), "learning_rates": rates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned, bit for bit.

        Raises:
            ValueError: If it is the state of another model or optimizer.
        """
        self._state.restore(state["arrays"])
        self._restore_rates(state["learning_rates"])
        self._go_ahead()

    def _restore_rates(self, rates: Mapping[str, float]) -> None:
        for name, rate in rates.items():
            self.optimizer.learning_rates[name] = rate
        self._pushed_rates = {}

    def load_what_fits(self, state: Mapping[str, Any], keeps_rate: bool) -> list[str]:
        """Take up what fits of another state, by names and shapes; return sentences about what is left out.

        Args:
            state: What `state_dict` returned.
            keeps_rate: Whether the learning rate stays as it is here.
        """
        arrays: Mapping[str, np.ndarray] = state["arrays"]
        optimizer = {path: a for path, a in arrays.items() if path.startswith("optimizer/")}
        if same_optimizer := self._state.fits(optimizer, "optimizer/"):
            self._restore_rates({} if keeps_rate else state["learning_rates"])
        else:
            arrays = {path: a for path, a in arrays.items() if path not in optimizer}
        left = self._state.restore_what_fits(arrays)
        self._go_ahead()
        return [
            *(
                ["the optimizer's state is left out: it is another optimizer, or of other weights"]
                * (not same_optimizer)
            ),
            *([f"these have other shapes and start afresh: {listed(left)}"] if left else []),
        ]

    def identity(self) -> dict[str, Any]:
        """Describe what a saved state must fit."""
        optimizer = None if self.optimizer is None else {"name": self.optimizer.name} | _settings(self.optimizer)
        computed = {"dtype": str(self._steps.dtype or "own"), "accumulate": self._steps.accumulate}
        return {"state": self._state.describe(), "optimizer": optimizer, "logs": self.names, **computed}


def _in_both_modes(module: nnx.Module, is_trained: Any, at_rest: Collection[Path]) -> tuple[Any, Any, Any, Any]:
    """Return a module's graph in inference and in training mode, its trained variables, and its other ones.

    In which mode the module itself is, is its owner's business.
    """
    nnx.pop(module, nnx.Intermediate)  # what it has sown before is no part of its state
    copy = nnx.merge(*nnx.split(module))
    copy.eval()
    testing = nnx.split(copy, is_trained, ...)[0]
    copy.train()
    for path, node in nnx.iter_graph(copy):
        if path in at_rest:
            node.eval()
    training, params, other = nnx.split(copy, is_trained, ...)
    return testing, training, params, other


def optimizer_outline(module: nnx.Module, optimizer: Any, trained: Collection[Path]) -> dict[str, Any]:
    """Return the shapes and dtypes of the state that an optimizer has for a module, by path; computes nothing."""
    params = nnx.split(module, Among(frozenset(trained)), ...)[1]
    updates: list[Update] = []

    def init(params: Any) -> Any:
        update, state = prepared(optimizer, params)
        updates.append(update)
        return jax.tree.map(plain, state)  # random keys are saved as their numbers

    state = jax.eval_shape(init, params)
    return outline({"optimizer": state} | ({"params": params} if updates[0].has_own_average else {}))


def _settings(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer's settings less its learning rate, which is part of the state."""
    return {name: value for name, value in optimizer.get_config().items() if name != "learning_rate"}


def _variables(module: nnx.Module) -> dict[str, nnx.Variable]:
    return {path_name(path): v for path, v in nnx.iter_graph(module) if isinstance(v, nnx.Variable)}


def _nodes(module: nnx.Module) -> set[int]:
    """Return the ids of a module's variables, but for what it has sown, and of the modules in it."""
    nodes = (node for _, node in nnx.iter_graph(module) if isinstance(node, (nnx.Variable, nnx.Module)))
    return {id(node) for node in nodes if not isinstance(node, nnx.Intermediate)}
