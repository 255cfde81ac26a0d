"""Batches from iterators, generators and loaders: a resumed run goes on with those that weren't used yet."""

import numpy as np
import pytest
from interrupted import Fails, train
from streams import Numbers, stream


class GetAndSet(Numbers):
    def get_state(self):
        return b"%d" % self.at

    def set_state(self, state):
        self.at = int(state)

    state_dict = load_state_dict = None


def generator(read=None):
    """The same numbers from a generator, which has no state."""
    numbers = Numbers(read)
    while True:
        yield next(numbers)


@pytest.mark.parametrize("make", [Numbers, GetAndSet])
@pytest.mark.parametrize("batch", [1, 4, 5, 6, 7])
def test_an_iterator_goes_on_from_its_own_state(tmp_path, make, batch):
    whole = train(tmp_path / "whole", data=stream(Numbers(), 3))
    train(tmp_path / "x", data=stream(make(), 3), fails=Fails(batch))
    read = []
    assert train(tmp_path / "x", data=stream(make(read), 3)) == whole
    assert read[-1] == 11
    assert len(read) <= 1 + 12 - (batch - 1) // 2 * 2  # one to look at the shapes, none that was used


@pytest.mark.parametrize("batch", [4, 5, 7])
def test_a_generator_without_state_is_read_up_to_there_and_says_so(tmp_path, capsys, batch):
    whole = train(tmp_path / "whole", data=stream(generator(), 3))
    train(tmp_path / "x", data=stream(generator(), 3), fails=Fails(batch))
    capsys.readouterr()
    assert train(tmp_path / "x", data=stream(generator(), 3)) == whole
    used = (batch - 1) // 2 * 2
    assert (
        capsys.readouterr().out
        == f"The data keep no state of their own: skipping the {used} batches that were used before.\n"
    )


class Loader:
    """Batches that can be gone through again and again; its iterators know where they are."""

    def __iter__(self):
        numbers = Numbers()
        numbers.__class__ = Limited
        return numbers


class Limited(Numbers):
    def __next__(self):
        if self.at == 3:
            raise StopIteration
        return super().__next__()


class Shuffler:
    """Batches in an order that it draws anew each time it is gone through; it knows where it is itself."""

    def __init__(self):
        self.rng, self.at = np.random.default_rng(0), 0

    def __iter__(self):
        self.before = self.rng.bit_generator.state
        return self.batches(self.rng.permutation(3).tolist())

    def batches(self, order):
        while self.at < 3:
            numbers = Numbers()
            numbers.at, self.at = order[self.at], self.at + 1
            yield next(numbers)
        self.before, self.at = self.rng.bit_generator.state, 0

    def state_dict(self):
        return {"rng": self.before, "at": self.at}

    def load_state_dict(self, state):
        self.rng.bit_generator.state, self.at = state["rng"], state["at"]


class Stays:
    """Batches whose state, once given, is where every later epoch begins too, as Hugging Face's streaming datasets do."""

    def __init__(self):
        self.given = self.at = None

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        for at in range(self.given or 0, 3):
            numbers = Numbers()
            numbers.at, self.at = at, at + 1
            yield next(numbers)

    def state_dict(self):
        return self.at

    def load_state_dict(self, state):
        self.given = state


LISTED = [(np.full((4, 2), n), np.full(4, n)) for n in (1.0, 2.0, 3.0)]


@pytest.mark.parametrize("batch", range(1, 8))
@pytest.mark.parametrize("make", [Loader, Shuffler, Stays, lambda: LISTED])
@pytest.mark.parametrize("save_freq", [1, "epoch"])
def test_what_can_be_gone_through_again_goes_on_in_its_epoch(tmp_path, batch, make, save_freq):
    whole = train(tmp_path / "whole", data=stream(make()), save_freq=save_freq)
    train(tmp_path / "x", data=stream(make()), fails=Fails(batch), save_freq=save_freq)
    assert train(tmp_path / "x", data=stream(make()), save_freq=save_freq) == whole
