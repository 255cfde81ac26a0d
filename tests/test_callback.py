"""What a callback is, which of its hooks are called, and in which order."""

import functools
import re

import pytest
from numpy_engine import Recorder, fit

from epochal.callbacks import Callback, CSVLogger, Every, History
from epochal.core import callback as module
from epochal.core.callback import HOOKS, Dispatcher
from epochal.core.hook_code import ALIASES, overridden
from epochal.core.logs import Logs

EPOCH = ["on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end"]


# Hooks


def test_the_documented_hooks_are_the_real_ones():
    drawn = re.sub(r"_begin(…| … \S*_|/)end", r"_begin", module.__doc__)
    assert set(re.findall(r"on_\w+", drawn)) <= set(HOOKS)
    undrawn = {name for name in HOOKS if name not in module.__doc__}
    assert undrawn == {name for name in HOOKS if "predict" in name or name == "on_test_batch_end"}


def test_every_hook_and_method_does_nothing_by_itself():
    callback = Callback()
    assert [hook for hook in HOOKS if overridden(callback, hook)] == []
    callback.close()
    assert callback.state_dict() == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [("on_epoch_ends", "on_epoch_end"), ("on_batchend", "on_batch_end"), ("on_train_batch_ends", "on_train_batch_end")],
)
def test_a_misspelt_hook_is_refused_when_the_class_is_written(name, meant):
    with pytest.raises(TypeError, match=rf"Oops\.{name} would never be called\. Did you mean `{meant}`\?"):
        type("Oops", (Callback,), {name: lambda self, *_: None})


def test_helpers_that_are_named_on_something_are_allowed():
    class Fine(Callback):
        def on_improvement(self): ...

    assert Fine().on_improvement() is None


def test_only_overridden_hooks_are_called():
    class Loud(Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("called")

    call = Dispatcher([Loud(), Callback()])
    call("on_epoch_begin", 0, Logs())
    with pytest.raises(RuntimeError, match="called"):
        call("on_epoch_end", 0, Logs())


def test_a_hook_set_on_an_instance_is_called():
    calls, callback = [], Callback()
    callback.on_train_begin = lambda logs=None: calls.append("begin")
    fit([callback], epochs=0)
    assert calls == ["begin"]


def test_a_decorated_hook_is_called_although_what_it_decorates_is_empty():
    calls = []

    def loud(hook):
        @functools.wraps(hook)
        def wrapped(*arguments):
            calls.append(hook.__name__)
            return hook(*arguments)

        return wrapped

    class Decorated(Callback):
        @loud
        def on_train_begin(self, logs=None):
            pass

    fit([Decorated()], epochs=0)
    assert calls == ["on_train_begin"]


# The two names of a hook


@pytest.mark.parametrize("names", [("on_batch_end",), ("on_train_batch_end",), ("on_batch_end", "on_train_batch_end")])
@pytest.mark.parametrize("on_instance", [False, True])
def test_of_two_names_one_is_called(names, on_instance):
    calls = []
    hooks = {name: (lambda *arguments, name=name: calls.append(name)) for name in names}
    callback = type("Aliased", (Callback,), {} if on_instance else hooks)()
    if on_instance:
        vars(callback).update(hooks)
    fit([callback], epochs=1)
    assert calls == [names[-1]] * 3


def test_a_hook_on_an_instance_goes_before_the_other_name_on_its_class():
    calls = []

    class Both(Callback):
        def on_batch_begin(self, batch, logs=None):
            calls.append(batch)

    callback = Both()
    callback.on_batch_begin = lambda batch, logs: calls.append(-batch)
    fit([callback], epochs=1)
    assert calls == [0, -1, -2]


def test_a_hook_that_forwards_under_a_condition_is_called_itself():
    calls = []

    class Thinned(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch % 2 == 0:
                self.on_batch_end(batch, logs)

        def on_batch_end(self, batch, logs=None):
            calls.append(batch)

    fit([Thinned()], epochs=1)
    assert calls == [0, 2]


# Objects of other frameworks


class Plain:
    """Has hooks and nothing else."""

    def __init__(self):
        self.epochs = []

    def on_epoch_end(self, epoch, logs):
        self.epochs.append((epoch, sorted(logs)))


class Framework:
    """A base as Keras 3 has it: hooks that do nothing, and such that forward to their other name."""

    def __init__(self):
        self.params = self._model = None

    def set_params(self, params):
        self.params = params

    def set_model(self, model):
        self._model = model

    @property
    def model(self):
        return self._model

    def on_batch_begin(self, batch, logs=None):
        """A backwards compatibility alias for `on_train_batch_begin`."""

    def on_batch_end(self, batch, logs=None):
        """A backwards compatibility alias for `on_train_batch_end`."""

    def on_train_batch_begin(self, batch, logs=None):
        """Called at the beginning of a training batch."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch, logs=None):
        """Called at the end of a training batch."""
        self.on_batch_end(batch, logs=logs)

    def on_epoch_end(self, epoch, logs=None):
        pass


class OlderFramework:
    """A base that forwards from the old name to the new one."""

    def on_train_batch_end(self, batch, logs=None):
        pass

    def on_batch_end(self, batch, logs=None):
        return self.on_train_batch_end(batch, logs)


def test_a_plain_object_with_hooks_is_a_callback():
    plain = Plain()
    fit([plain], epochs=2)
    assert plain.epochs == [(0, ["error", "loss"]), (1, ["error", "loss"])]


def test_a_foreign_callback_gets_params_and_model():
    class Stopper(Framework):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1 and self.params["epochs"] == 5

    assert fit([Stopper()], epochs=5).epoch == [0, 1]


@pytest.mark.parametrize("base", [Framework, OlderFramework])
def test_what_a_foreign_base_class_leaves_empty_wakes_nobody(base):
    class Stopping(base):
        def on_epoch_end(self, epoch, logs=None):
            self.last = epoch

    assert Dispatcher([Stopping()]).watchers("train") == []


@pytest.mark.parametrize("base", [Framework, OlderFramework])
@pytest.mark.parametrize("name", ["on_batch_end", "on_train_batch_end"])
def test_what_a_foreign_class_overrides_is_called_once_under_either_name(base, name):
    calls = []
    foreign = type("Foreign", (base,), {name: lambda self, batch, logs=None: calls.append(batch)})()
    fit([foreign], epochs=1)
    assert calls == [0, 1, 2]


# Lists of callbacks


def test_a_class_in_the_place_of_an_instance_is_refused():
    with pytest.raises(TypeError, match=r"must be instances; got the class History\. Write History\(…\)"):
        Dispatcher([History])


def test_an_object_without_hooks_is_refused():
    with pytest.raises(TypeError, match=r"must have hooks such as on_epoch_end; 3 has none"):
        Dispatcher([3])


@pytest.mark.parametrize("none", [None, [], ()])
def test_no_callbacks_are_no_callbacks(none):
    assert Dispatcher(none).callbacks == []


def test_one_callback_needs_no_list():
    callback = Callback()
    assert Dispatcher(callback).callbacks == [callback]


def test_callbacks_run_in_list_order_and_sinks_after_them(tmp_path):
    order = []

    class Named(Callback):
        def __init__(self, name, is_sink=False):
            self.name, self.is_sink = name, is_sink

        def on_epoch_end(self, epoch, logs=None):
            order.append(self.name)

    fit([Named("sink 1", True), Named("a"), Named("sink 2", True), Named("b")], epochs=1)
    assert order == ["a", "b", "sink 1", "sink 2"]


@pytest.mark.parametrize("order", [1, -1])
def test_every_sink_sees_what_a_callback_adds_wherever_it_stands(tmp_path, order):
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = 7

    history = fit([Adds(), CSVLogger(tmp_path / "log.csv")][::order], epochs=1)
    assert history.history["extra"] == [7]
    assert "extra" in (tmp_path / "log.csv").read_text()


def test_a_callback_sees_what_those_before_it_added():
    class Adds(Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = logs.get("extra", 0) + 1

    recorder = Recorder()
    fit([Adds(), Adds(), recorder, Adds()], epochs=1)
    assert recorder.logs("on_epoch_end")[0]["extra"] == 2


def test_batch_hooks_run_in_list_order_whatever_their_cadence():
    order = []

    class Named(Callback):
        def __init__(self, cadence):
            self.cadence = cadence

        def on_train_batch_begin(self, batch, logs=None):
            order.append(("begin", self.cadence))

        def on_train_batch_end(self, batch, logs=None):
            order.append(("end", self.cadence))

    cadences = [Every(1e-9, "second"), Every(3, "batch"), Every(1e-9, "second"), Every(1, "batch")]
    fit([Named(cadence) for cadence in cadences], epochs=1)
    assert order[-8:] == [(moment, cadence) for moment in ("begin", "end") for cadence in cadences]


# Closing


class Closing(Callback):
    """Tells `calls` what was called, and may raise there."""

    def __init__(self, calls, name, fails=()):
        self.calls, self.name, self.fails = calls, name, fails

    def on_exception(self, error):
        self.calls.append((self.name, str(error)))
        if "on_exception" in self.fails:
            raise RuntimeError(f"{self.name} fails in on_exception")

    def close(self):
        self.calls.append((self.name, "close"))
        if "close" in self.fails:
            raise RuntimeError(f"{self.name} fails in close")


def test_close_ends_a_normal_fit():
    calls = []
    fit([Closing(calls, "a"), Closing(calls, "b")], epochs=1)
    assert calls == [("a", "close"), ("b", "close")]


def test_after_an_error_every_callback_hears_of_it_and_is_closed_whatever_raises():
    calls = []

    class Raises(Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause") as caught:
        fit([Closing(calls, "a", ("on_exception", "close")), Raises(), Closing(calls, "b")])
    assert calls == [("a", "the cause"), ("b", "the cause"), ("a", "close"), ("b", "close")]
    assert [note.split(": ", 1)[1] for note in caught.value.__notes__] == [
        "RuntimeError: a fails in on_exception",
        "RuntimeError: a fails in close",
    ]


def test_an_error_in_close_is_not_silent_and_the_others_are_closed():
    calls = []
    with pytest.raises(RuntimeError, match="a fails in close"):
        fit([Closing(calls, "a", ("close",)), Closing(calls, "b")], epochs=1)
    assert calls == [("a", "close"), ("b", "close")]


def test_an_error_that_counts_as_false_is_an_error():
    class Empty(Exception):
        def __len__(self):
            return 0

    calls = []
    Dispatcher([Closing(calls, "a")]).close(Empty("nothing"))
    assert calls == [("a", "nothing"), ("a", "close")]


def test_aliases_are_hooks():
    assert {*ALIASES, *ALIASES.values()} <= set(HOOKS)
