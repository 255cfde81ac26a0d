"""Training programs as plain values: drawn at random, printed as the code that makes them again."""

from dataclasses import dataclass

from hypothesis import strategies as st
from models_of_programs import NAMES

HOOKS = ("on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end")
TEST_HOOKS = ("on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end")


class Part:
    """What a callback is made of: its kind and its settings.

    >>> Part("EarlyStopping", monitor="loss", patience=2)
    Part('EarlyStopping', monitor='loss', patience=2)
    """

    def __init__(self, kind, **settings):
        self.kind, self.settings = kind, settings

    def __repr__(self):
        return f"Part({', '.join([repr(self.kind), *(f'{k}={v!r}' for k, v in self.settings.items())])})"


@dataclass(frozen=True)
class Data:
    """What a fit is given.

    kind         "arrays", or batches from a "list", by "index", from an "iterable", an endless "iterator" with a state
                 of its own, or a source that is "drawing" random numbers for each batch
    samples      in all batches; `batch_size` a batch, the last one may be smaller
    steps        batches an epoch, if not all
    weighted     whether samples have weights
    bad          the sample that is infinite, if there is one
    validation   "split", "arrays" or "list", each `freq`-th epoch
    """

    kind: str = "arrays"
    samples: int = 10
    batch_size: int = 4
    shuffle: bool | str = False
    seed: int = 0
    steps: int | None = None
    weighted: bool = False
    bad: int | None = None
    validation: str | None = None
    freq: int = 1

    @property
    def batches(self):
        """Batches an epoch, at most."""
        samples = self.samples - self.held_out if self.kind == "arrays" else self.samples
        return -(-samples // self.batch_size)

    @property
    def held_out(self):
        """Samples that a split keeps from training: `share` of them."""
        return self.samples - int(self.samples * (1 - self.share)) if self.validation == "split" else 0

    share = 0.25


@dataclass(frozen=True)
class Program:
    """A fit: which model, its data, its epochs and its callbacks."""

    data: Data = Data()
    epochs: int = 3
    initial_epoch: int = 0
    callbacks: tuple[Part, ...] = ()
    model: str = "numpy"


@dataclass(frozen=True)
class Fault:
    """What ends a process: an "error", Ctrl-C as an "interrupt", "SIGTERM", or "SIGKILL" of a process of its own.

    It happens in the `at`-th call of a hook in the process, of a callback that is `first` or last in the list and is
    woken every so many batches, or follows spans if that is None. The process was to run `fewer_epochs` than the last one.
    """

    kind: str
    hook: str
    at: int
    first: bool = False
    every: int | None = None
    fewer_epochs: int = 0


# Drawing them


@st.composite
def data(draw, model):
    kind = draw(st.sampled_from(["arrays"] * 5 + ["list", "index", "iterable", "iterator", "drawing"]))
    samples, size = draw(st.integers(4, 23)), draw(st.integers(1, 9))
    if model != "numpy":  # each number of rows, and each size of a batch, is another program to compile
        samples, size = 14, 4
    validations = [None, "arrays", "list", *(["split"] if kind == "arrays" else [])]
    validation = draw(st.sampled_from(validations))
    found = Data(
        kind,
        samples,
        size,
        shuffle=draw(st.sampled_from([False, True, "batch"])) if kind in ("arrays", "index") else False,
        seed=draw(st.integers(0, 3)),
        weighted=draw(st.booleans()),
        bad=draw(st.none() | st.integers(0, samples - 1)) if draw(st.booleans()) else None,
        validation=validation,
        freq=draw(st.sampled_from([1, 1, 2])) if validation else 1,
    )
    steps = draw(st.none() | st.integers(1, found.batches))
    if kind == "iterator":
        steps = steps or found.batches
    return Data(**{**vars(found), "steps": steps})


def _monitor(model, of):
    names = NAMES[model]
    return st.sampled_from([*names, *(f"val_{name}" for name in names if of.validation)])


@st.composite
def _library_part(draw, kind, model, of, batches):
    settings = {}
    if kind in ("EarlyStopping", "ReduceLROnPlateau"):
        settings = {"monitor": draw(_monitor(model, of)), "patience": draw(st.integers(0, 3))}
        settings |= draw(st.sampled_from([{}, {"mode": "min"}, {"mode": "max"}]))
        settings["min_delta"] = draw(st.sampled_from([0.0, 0.01, 0.3]))
    if kind == "EarlyStopping":
        settings |= {"restore_best_weights": draw(st.booleans()), "start_from_epoch": draw(st.integers(0, 2))}
        settings |= draw(st.sampled_from([{}, {}, {"baseline": 0.5}]))
    elif kind == "ReduceLROnPlateau":
        settings |= {"factor": draw(st.sampled_from([0.1, 0.5])), "cooldown": draw(st.integers(0, 2))}
        settings |= draw(st.sampled_from([{}, {"min_lr": 0.03}]))
    elif kind == "LearningRateScheduler":
        settings = {"schedule": draw(st.sampled_from(["decays", "multiplies"]))}
    elif kind == "SwapEMAWeights":
        settings = {"decay": draw(st.sampled_from([0.0, 0.5, 0.99]))}
    elif kind == "TensorBoard":
        settings = {"update_freq": draw(st.sampled_from(["epoch", "batch", 3]))}
        settings |= {"histogram_freq": 1} if of.validation in ("arrays", "split") and draw(st.booleans()) else {}
    elif kind == "CSVLogger":
        settings = {"append": draw(st.booleans())}
    elif kind == "ModelCheckpoint":
        settings = draw(_checkpoint(model, of, batches))
    elif kind == "BackupAndRestore":
        settings = {"save_freq": draw(st.just("epoch") | st.integers(1, batches + 2)), "keep": draw(st.integers(1, 3))}
    return Part(kind, **settings)


@st.composite
def _checkpoint(draw, model, of, batches):
    by_batch = draw(st.booleans())
    settings = {"filepath": draw(st.sampled_from(["best.h5", "{epoch:02d}.h5", "{epoch}-{loss:.3f}.h5"]))}
    if by_batch:
        settings |= {"filepath": "{epoch}-{batch}.h5", "save_freq": draw(st.integers(1, batches + 1))}
    if draw(st.booleans()):
        monitored = draw(st.sampled_from(NAMES[model]) if by_batch else _monitor(model, of))
        settings |= {"save_best_only": True, "monitor": monitored}
    if "{" in settings["filepath"]:
        settings |= draw(st.sampled_from([{}, {"keep": 1}, {"keep": 2}]))
    if not by_batch:
        settings |= draw(st.sampled_from([{}, {"period": 2}]))
    return settings | {"save_weights_only": model == "numpy" or draw(st.booleans())}


ACTIONS = ("look", "write", "rate", "log", "stop", "draw", "evaluate")


@st.composite
def _own_part(draw, model, of, batches):
    if draw(st.booleans()):
        hooks = tuple(draw(st.sets(st.sampled_from(HOOKS + TEST_HOOKS), min_size=1)))
        how = draw(st.sampled_from([{}, {}, {"replay": True}, {"every": 1}, {"every": 2}, {"every": 3}]))
        if "every" in how and draw(st.booleans()):
            how = how | {"reads_means": True}
        return Part("Remembers", hooks=tuple(sorted(hooks)), **how)
    hook = draw(st.sampled_from((*HOOKS, "on_test_batch_end", "on_test_end", "on_train_begin", "on_train_end")))
    calls = 3 * batches if "batch" in hook else 1 if "on_train_" in hook else 4
    at = draw(st.dictionaries(st.integers(1, calls), st.sampled_from(ACTIONS), min_size=1, max_size=3))
    return Part("Acts", hook=hook, at=at, every=draw(st.sampled_from([None, None, 1, 3])) if "batch" in hook else None)


LIBRARY = (
    "EarlyStopping",
    "ReduceLROnPlateau",
    "LearningRateScheduler",
    "TerminateOnNaN",
    "CSVLogger",
    "LambdaCallback",
)


@st.composite
def programs(draw, model="numpy", saved=False):
    """Draw a program; one that is `saved` can be resumed."""
    of = draw(data(model))
    steps = of.steps or of.batches
    kinds = draw(st.lists(st.sampled_from((*LIBRARY, "ModelCheckpoint")), unique=True, max_size=4))
    if model != "numpy":
        kinds += draw(st.lists(st.sampled_from(["SwapEMAWeights", "TensorBoard"]), unique=True))
    parts = [draw(_library_part(kind, model, of, steps)) for kind in kinds]
    parts += draw(st.lists(_own_part(model, of, steps), max_size=3))
    if saved:
        parts.append(draw(_library_part("BackupAndRestore", model, of, steps)))
    initial = draw(st.sampled_from([0, 0, 0, 1, 2]))
    return Program(
        of,
        epochs=initial + draw(st.integers(1, 5 if model == "numpy" else 3)),
        initial_epoch=initial,
        callbacks=tuple(draw(st.permutations(parts))),
        model=model,
    )


CUTS = st.lists(st.sampled_from([1, 2, 3, 5, 1000]), min_size=1, max_size=4).map(tuple)
"""How many batches spans have, in turn."""


@st.composite
def faults(draw, kinds=("error", "interrupt", "SIGTERM")):
    hook = draw(st.sampled_from(HOOKS + TEST_HOOKS + ("on_train_begin", "on_train_end")))
    most = 30 if "batch" in hook else 1 if "on_train_" in hook else 4
    every = draw(st.sampled_from([None, 1])) if "batch" in hook else None
    return Fault(
        draw(st.sampled_from(kinds)),
        hook,
        draw(st.integers(1, most)),
        draw(st.booleans()),
        every,
        draw(st.sampled_from([0, 0, 1, 2])),
    )
