"""Callbacks that promise to read logs only get every batch after its span, and break the promise with an error."""

import pytest
from interrupted import Raises
from numpy_engine import Model, fit, make_run

from epochal.callbacks import Callback, Every, LambdaCallback
from epochal.core import loop


class Losses(Callback):
    """Keeps the logs of both batch hooks, without costing a span."""

    replay = True

    def __init__(self, stop_at=None):
        self.seen, self.stop_at = [], stop_at

    def on_batch_begin(self, batch, logs=None):
        self.seen.append(("begin", batch, logs["size"]))

    def on_batch_end(self, batch, logs=None):
        self.seen.append(("end", batch, logs["loss"]))
        if batch == self.stop_at:
            self.model.stop_training = True


def test_a_replayed_callback_gets_every_batchs_own_logs_in_order(spans_of):
    spans_of(1000)
    replayed, live = Losses(), Losses()
    live.replay = False
    run = make_run([replayed], epochs=2)
    loop.fit(run)
    fit([live], epochs=2)
    assert run.engine.spans == [2, 1, 2, 1]  # full batches and the smaller last one
    assert replayed.seen == live.seen
    assert len(live.seen) == 12


def test_hooks_at_the_batch_that_ends_the_span_come_in_list_order(spans_of):
    spans_of(1000)
    order = []

    class WakeSchedule(Callback):
        cadence = Every(2, "batch")

        def on_batch_end(self, batch, logs=None):
            order.append(("wake", batch))

    class Replays(Callback):
        replay = True

        def on_batch_end(self, batch, logs=None):
            order.append(("replay", batch))

    fit([WakeSchedule(), Replays()], epochs=1)
    assert order == [("replay", 0), ("wake", 1), ("replay", 1), ("replay", 2)]


def test_a_replayed_hook_may_stop_the_training_at_its_batch(spans_of):
    spans_of(1000)
    losses, model = Losses(stop_at=0), Model()
    fit([losses], epochs=5, model=model)
    assert [batch for moment, batch, _ in losses.seen if moment == "end"] == [0]
    once = Model()
    fit([LambdaCallback(on_batch_end=lambda batch, logs: setattr(once, "stop_training", True))], model=once)
    assert model.get_weights()[0].tobytes() == once.get_weights()[0].tobytes()


@pytest.mark.parametrize("ask", [lambda m: m.get_weights(), lambda m: m.optimizer, lambda m: setattr(m, "weights", 0)])
def test_a_replayed_hook_may_ask_the_model_for_nothing_else(ask):
    class Asks(Callback):
        replay = True

        def on_batch_end(self, batch, logs=None):
            ask(self.model)

    with pytest.raises(
        RuntimeError, match=r"Asks has replay = True: .* Set replay = False for hooks that look at the model"
    ):
        fit([Asks()])


def test_a_replayed_callback_has_its_model_back_in_other_hooks_and_after_an_error():
    class Asks(Losses):
        def on_epoch_end(self, epoch, logs=None):
            self.weights = self.model.get_weights()

    asks, model = Asks(), Model()
    fit([asks], model=model)
    assert len(asks.weights) == 1
    with pytest.raises(RuntimeError, match="on_train_batch_end failed"):
        fit([asks, Raises("on_train_batch_end")], model=model)
    assert asks.model is model
