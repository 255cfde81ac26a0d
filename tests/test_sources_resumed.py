"""Sources that shuffle by themselves, killed anywhere and resumed: the batches that come are those of an unbroken run."""

import random

import numpy as np
import pytest
from interrupted import Fails, Stop
from numpy_engine import Model, fit

from epochal.callbacks import BackupAndRestore, Callback
from epochal.core.run import Validation
from epochal.data.inputs import from_batches

BATCHES = 3


def batch(number, noise=0.0):
    return np.full((4, 2), (number + 1 + noise) / 10), np.full(4, float(number))


class Permuted:
    """Draws its order from NumPy's global generator."""

    def __len__(self):
        return BATCHES

    def __iter__(self):
        return (batch(number) for number in np.random.permutation(BATCHES))


class InPlace:
    """Shuffles what the epoch before has shuffled."""

    def __init__(self):
        self.order = list(range(BATCHES))

    def __iter__(self):
        random.shuffle(self.order)
        yield from map(batch, self.order)


class Noisy(Permuted):
    """Draws for every batch, too."""

    def __iter__(self):
        for number in np.random.permutation(BATCHES):
            yield batch(number, np.random.normal())


class Own:
    """Has a generator."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __iter__(self):
        return (batch(number) for number in self.rng.permutation(BATCHES))


class OfItsSampler:
    """Is made of parts, as PyTorch's loaders are."""

    def __init__(self):
        self.batch_sampler = type("Sampler", (), {"numbers": random.Random(0)})()
        self.dataset = [batch(number) for number in range(BATCHES)]

    def __iter__(self):
        return iter(self.batch_sampler.numbers.sample(self.dataset, BATCHES))


class Hidden:
    """Goes on in numbers that nobody else can see."""

    def __init__(self):
        self.orders = iter([np.random.default_rng(seed).permutation(BATCHES) for seed in range(20)])

    def __iter__(self):
        return map(batch, next(self.orders))


class OfTheEpoch:
    """Is told the epoch's number."""

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        return map(batch, np.random.default_rng(self.epoch).permutation(BATCHES))


class Indexed:
    """Shuffles itself when an epoch ends, as many of Keras's datasets do."""

    def __init__(self):
        self.order = np.arange(BATCHES)
        self.on_epoch_end()

    def __len__(self):
        return BATCHES

    def __getitem__(self, at):
        return batch(self.order[at])

    def on_epoch_end(self):
        np.random.shuffle(self.order)


class IndexedAndNoisy(Indexed):
    def __getitem__(self, at):
        return batch(self.order[at], np.random.normal())


class Persistent(Permuted):
    """Draws once more when it is gone through for the first time, as loaders whose workers stay do."""

    begun = False

    def __iter__(self):
        if not self.begun:
            self.begun = np.random.random() < 2
        return super().__iter__()


def generator():
    while True:
        yield batch(np.random.randint(BATCHES))


SELF_SHUFFLING = [Permuted, InPlace, Noisy, Own, OfItsSampler, Hidden, OfTheEpoch, Indexed, IndexedAndNoisy, Persistent]


class Draws(Callback):
    """Draws from the global generators in its hooks, and keeps what it drew."""

    def on_train_begin(self, logs=None):
        self.drawn = []

    def on_epoch_begin(self, epoch, logs=None):
        self.drawn.append(np.random.random())
        self.drawn.append(random.random())

    def state_dict(self):
        return {"drawn": self.drawn}

    def load_state_dict(self, state):
        self.drawn = list(state["drawn"])


def train(folder, make, fails=None, steps=None, save_freq=1, validation=None, seed=0, draws=Draws):
    """Return the weights, the losses of all epochs and what hooks drew, as a process of its own would; None if it fails."""
    random.seed(seed)
    np.random.seed(seed)
    data, draws, model = stream(make(), steps), draws(), Model()
    data.peek()
    if validation:
        validation = Validation(stream(validation(), None, first_epoch=None))
    callbacks = [draws, BackupAndRestore(folder, save_freq), *([fails] if fails else [])]
    try:
        history = fit(callbacks, 4, model=model, data=data, validation=validation)
    except Stop:
        return None
    return model.weights.tolist(), history.history, draws.drawn, random.random(), np.random.random()


def stream(source, steps, **options):
    return from_batches(source, steps, arrange=lambda *parts: parts, shuffle=True, seed=5, **options)


class DrawsBatchByBatch(Draws):
    """Draws between batches, too, from the generators that the source draws from."""

    def on_train_batch_end(self, batch, logs=None):
        self.drawn += [random.random(), np.random.random()]


DEATHS = [
    Fails(4),
    Fails(6),
    Fails(8),
    Fails(12),
    Fails(hook="on_epoch_begin", epoch=2),
    Fails(hook="on_epoch_end", epoch=2),
]


@pytest.mark.parametrize("save_freq", [1, "epoch"])
@pytest.mark.parametrize("make", SELF_SHUFFLING)
def test_a_source_that_shuffles_by_itself_goes_on_in_its_order(tmp_path, make, save_freq):
    whole = train(tmp_path / "whole", make, save_freq=save_freq)
    for at, fails in enumerate(DEATHS):
        assert train(tmp_path / str(at), make, fails, save_freq=save_freq) is None
        assert train(tmp_path / str(at), make, save_freq=save_freq) == whole, vars(fails)


@pytest.mark.filterwarnings("ignore:the data ended in the middle of an epoch")
@pytest.mark.parametrize("make", SELF_SHUFFLING)
def test_so_it_does_in_the_middle_of_a_pass(tmp_path, make):
    whole = train(tmp_path / "whole", make, steps=2)
    for at, fails in enumerate(
        [Fails(3), Fails(4), Fails(5), Fails(6), *DEATHS[-2:]]
    ):  # epochs have 2, 1, 2, 1 batches
        assert train(tmp_path / str(at), make, fails, steps=2) is None
        assert train(tmp_path / str(at), make, steps=2) == whole, vars(fails)


def test_so_does_a_generator(tmp_path):
    whole = train(tmp_path / "whole", generator, steps=3)
    for at, fails in enumerate(DEATHS):
        assert train(tmp_path / str(at), generator, fails, steps=3) is None
        assert train(tmp_path / str(at), generator, steps=3) == whole, vars(fails)


@pytest.mark.parametrize("make", [Permuted, Noisy, Own, OfItsSampler, OfTheEpoch])
def test_a_script_that_seeds_nothing_is_resumed_as_well(tmp_path, make):
    whole = train(tmp_path / "whole", make)
    train(tmp_path / "x", make, Fails(8))
    assert train(tmp_path / "x", make, seed=1) == whole


@pytest.mark.parametrize("make", [Permuted, Noisy, Own])
def test_validation_that_draws_too_changes_nothing(tmp_path, make):
    whole = train(tmp_path / "whole", make, validation=Noisy)
    for at, fails in enumerate(DEATHS):
        train(tmp_path / str(at), make, fails, validation=Noisy)
        assert train(tmp_path / str(at), make, validation=Noisy) == whole, vars(fails)


@pytest.mark.filterwarnings("ignore:the data ended in the middle of an epoch")
@pytest.mark.parametrize("steps", [None, 2])
@pytest.mark.parametrize("make", [Permuted, InPlace, Noisy, IndexedAndNoisy])
def test_hooks_that_draw_between_batches_change_nothing(tmp_path, make, steps):
    whole = train(tmp_path / "whole", make, steps=steps, draws=DrawsBatchByBatch)
    assert train(tmp_path / "again", make, steps=steps, draws=DrawsBatchByBatch) == whole
    for at, fails in enumerate([Fails(2), Fails(3), Fails(4), Fails(5), Fails(6)]):
        train(tmp_path / str(at), make, fails, steps=steps, draws=DrawsBatchByBatch)
        assert train(tmp_path / str(at), make, steps=steps, draws=DrawsBatchByBatch) == whole, vars(fails)


class Unseeded(Hidden):
    """Has another order in each process."""

    def __init__(self):
        self.orders = iter([np.random.default_rng().permutation(50)[:BATCHES] for _ in range(20)])


@pytest.mark.parametrize(
    "fails", [Fails(5), Fails(hook="on_epoch_begin", epoch=2)], ids=["in an epoch", "at its start"]
)
def test_an_order_that_nothing_brings_back_is_told(tmp_path, fails):
    train(tmp_path, Unseeded, fails)
    with pytest.warns(UserWarning, match="Unseeded gives its batches in another order than in the run that is resumed"):
        train(tmp_path, Unseeded)


def test_what_repeats_itself_is_not_gone_through_again(tmp_path):
    class Same:
        begun = 0

        def __iter__(self):
            self.begun += 1
            return map(batch, range(BATCHES))

    train(tmp_path, Same, Fails(11), save_freq="epoch")
    source = Same()
    train(tmp_path, lambda: source, save_freq="epoch")
    assert source.begun == 1 + 1 + 1  # for the shapes, to compare the third epoch's first batch, for the fourth epoch


class BeginsAlike(InPlace):
    """Begins each pass with the same two batches, before those that it shuffles."""

    def __init__(self):
        self.order = [2, 3, 4, 5]

    def __iter__(self):
        random.shuffle(self.order)
        yield from map(batch, [0, 1, *self.order])


def test_what_only_begins_alike_and_draws_is_not_taken_for_what_repeats_itself(tmp_path):
    whole = train(tmp_path / "whole", BeginsAlike)
    train(tmp_path / "x", BeginsAlike, Fails(2 * 6 + 3))
    assert train(tmp_path / "x", BeginsAlike) == whole


class OwnUnseeded(Own):
    """Begins in each process from other numbers, or from those that are given."""

    def __init__(self, state=None):
        self.rng = np.random.default_rng()
        self.rng.bit_generator.state = self.begun = state or self.rng.bit_generator.state


def test_killed_before_the_first_epoch_was_saved_it_begins_in_the_same_order(tmp_path):
    for make in (Permuted, Noisy):
        train(tmp_path / make.__name__, make, Fails(2), save_freq="epoch")
        assert train(tmp_path / make.__name__, make, seed=1) == train(tmp_path / f"whole {make.__name__}", make)
    source = OwnUnseeded()
    train(tmp_path / "own", lambda: source, Fails(2), save_freq="epoch")
    whole = train(tmp_path / "whole own", lambda: OwnUnseeded(source.begun))
    assert train(tmp_path / "own", OwnUnseeded) == whole
