"""Taking the state of a run, and going on from one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..data.generators import get_global, set_global
from ..messages.printing import say, warn
from ..storage import generation
from ..storage.generation import Damaged, Generation, PlainState
from . import callback_states
from .callback_states import frozen
from .logs import Logs
from .processes import THIS
from .run import Run
from .run_state import CallbackStates, EndState, RunState
from .user_code import is_users_own

OF_ENGINE = ("engine.", "layers.", "learning_rate", "loss", "metrics", "optimizer", "weighted_metrics")
"""How the differences begin that an engine's state may not fit."""


def gather(run: Run, begins: bool = False) -> RunState:
    """Return the state of a run: a copy, which nothing that goes on can change.

    Args:
        run: Between two moments.
        begins: Whether nothing has been trained yet; then what has no state yet is left out.
    """
    training = run.training
    training.settle()
    for saver in run.savers:
        saver.wait()  # two states at once would be twice the memory
    generators = get_global()  # first: if the data draw from them meanwhile, their own state will say so
    data = _data_state(run, begins)
    state = RunState(
        identity={**run.identity, "data": _with_actual(run.identity["data"], data or {})},
        epochs=run.epochs,
        epoch=run.epoch,
        epoch_open=run.epoch_open,
        batch=training.batch,
        count=training.count,
        tested=run.testing.count if run.testing else 0,
        means=training.means.state_dict(),
        stop_training=run.stopped(),
        logs=dict(run.logs),
        data=frozen(data),
        validation=frozen(run.validation.data.state_dict()) if run.validation else None,
        generators=frozen(generators),
        engine=_state_of_engine(run),
        callbacks=_states_of_callbacks(run, begins),
        stop_reason=run.hooks.stop_reason.to_list(),
    )
    return state if run.accord.is_alone else dataclasses.replace(state, others=_of_others(state, run))


def _of_others(state: RunState, run: Run) -> list[PlainState]:
    """Return, in the primary, what each other process has of its own: all send it there."""
    callbacks = run.hooks.callbacks
    labels = [known.label for known in callback_states.identities_of(callbacks, run.folder)]
    users = [label for label, callback in zip(labels, callbacks, strict=True) if is_users_own(callback)]
    with THIS.waiting():
        texts = THIS.collect("state", Generation(state.own_part(users)).text())
    return [generation.from_text(text) for text in texts[1:]]


def _data_state(run: Run, begins: bool) -> Mapping[str, object] | None:
    try:
        return run.data.state_dict()
    except Exception:
        if begins:
            return None
        raise


def _state_of_engine(run: Run) -> PlainState:
    return {**run.engine.state_dict(run.saves_parts), "devices": run.engine.devices}


def _devices(count: int) -> str:
    return "one device" if count == 1 else f"{count} devices"


def _states_of_callbacks(run: Run, begins: bool = False) -> CallbackStates:
    return callback_states.collect(run.hooks.callbacks, run.folder, run.named_as_stateless, begins)


def _with_actual(wanted: PlainState, state: Mapping[str, object]) -> PlainState:
    """Return the identity that data want, with the values that they drew themselves, such as the seed."""
    return {name: state.get(name, value) for name, value in wanted.items()}


def finished(run: Run, at_last_epoch_end: RunState) -> RunState:
    """Return the state of a finished run: its end, and the state from which more epochs would go on."""
    end = EndState(_state_of_engine(run), _states_of_callbacks(run))
    return dataclasses.replace(at_last_epoch_end, end=end)


def find(run: Run) -> RunState | None:
    """Return the saved run that the callbacks offer, the one that has got furthest, as of this process; else None."""
    offered = [saved for saver in run.savers if (saved := saver.restore_run(run.identity)) is not None]
    found = max(offered, key=lambda saved: saved.progress, default=None)
    return None if found is None else found.of_process(THIS.index, THIS.count)


def restore(run: Run, saved: RunState) -> None:
    """Restore the engine, the data, the position and every callback, bit for bit.

    Of a run that isn't quite this one (`saved.differences`) as much as fits; a warning says what is left out.
    """
    training, left = run.training, list[str]()
    run.epoch, run.epoch_open = saved.epoch, saved.epoch_open
    training.count = saved.count
    if run.testing:
        run.testing.count = saved.tested
    if any(line.startswith(("data.", "engine.logs")) for line in saved.differences):
        left += [f"epoch {run.epoch + 1} begins again, since the data or logs are others"] * run.epoch_open
        run.epoch_open = False
    else:
        training.batch = saved.batch
        training.means.load_state_dict(saved.means)
        if saved.data is not None:
            run.data.load_state_dict(saved.data)
        if run.validation and saved.validation is not None:
            run.validation.data.load_state_dict(saved.validation)
    set_global(saved.generators)
    run.model.stop_training = saved.stop_training and not saved.finished
    if run.model.stop_training:
        run.hooks.stop_reason.restore(saved.stop_reason)
    run.logs = Logs(saved.logs)
    _restore_parts(run, saved, saved.engine, saved.callbacks, left)


def restore_end(run: Run, saved: RunState) -> None:
    """Restore the state in which a finished run ended."""
    if saved.end is not None:
        _restore_parts(run, saved, saved.end.engine, saved.end.callbacks, [])


def _restore_parts(
    run: Run, saved: RunState, engine: PlainState, callbacks: CallbackStates, left_out: list[str]
) -> None:
    if any(line.startswith(OF_ENGINE) for line in saved.differences):
        keeps_rate = any(line.startswith("learning_rate") for line in saved.differences)
        left_out += run.engine.load_compatible(engine, keeps_rate)
    else:
        try:
            run.engine.load_state_dict(engine)
        except Damaged as damage:  # of arrays in parts, which nobody reads before
            raise RuntimeError(
                f"{damage}. Remove the generation that names it, and the one before is used."
            ) from damage
    if (devices := engine.get("devices", 1)) != run.engine.devices:
        now, then = _devices(run.engine.devices), _devices(devices)
        say(f"The run goes on on {now}, and was saved on {then}: it ends as it would have there, but for rounding.")
    left_out += callback_states.restore(callbacks, run.hooks.callbacks, run.folder)
    if left_out and saved.count:
        warn("The run goes on, but not with all that was saved:\n  " + "\n  ".join(left_out))
