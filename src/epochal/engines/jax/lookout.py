"""Notices who looks at an engine's state after a span has run ahead of hooks, and goes back to the hooks' batch."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, cast

import jax
import jax.numpy as jnp

from ...data.batches import Span
from ...messages.printing import warn
from .device_state import DeviceState
from .placement import fits
from .state_part import Leaves
from .trees import Array


class _Remembered(NamedTuple):
    """A span, whether it ends at a loss that isn't finite, and the leaves that it changes, as they were before it."""

    span: Span
    stops: bool
    before: list[Array]


class Rates(Protocol):
    """Learning rates that are kept outside the state, and written into it before a span."""

    @property
    def are_pushed(self) -> bool:
        """Whether the state has them."""
        ...


class StateLookout:
    """A lookout over the states of a `JaxEngine`; see `core.engine.Lookout`.

    Args:
        watched: The states of which any use is a look.
        changing: The one of them that a span changes; None if there is none.
        rates: The optimizer's learning rates, if spans take them up.
        prepare: Brings the state up to date before a span.
        hide: Called when a span has run, so that what another thread has been shown since isn't taken for the hooks'.
        rerun: Runs a span of batches that has been run before.
        is_repeatable: Returns whether nobody outside can notice that a span runs again.
        uninterrupted: Keeps Ctrl-C away while the state is replaced.
    """

    def __init__(
        self,
        watched: Sequence[DeviceState[Any]],
        changing: Leaves | None,
        rates: Rates | None,
        prepare: Callable[[], None],
        hide: Callable[[], None],
        rerun: Callable[[Span, bool], object],
        is_repeatable: Callable[[], bool],
        uninterrupted: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._watched, self._changing, self._rates = watched, changing, rates
        self._prepare, self._hide, self._rerun, self._is_repeatable = prepare, hide, rerun, is_repeatable
        self._uninterrupted = uninterrupted
        self._has_space: bool | None = None
        self._remembered: deque[_Remembered] = deque()  # spans that have run and whose hooks haven't been called
        self._batches = self.at = self._thread = 0
        self.looked = self._has_told = False
        self.before_return: Callable[[], None] = lambda: None

    @property
    def is_possible(self) -> bool:
        """Whether the state can go back: steps have no effects outside, and there is space for a copy."""
        if self._has_space is None:
            devices = self._watched[0].devices
            has_space = self._changing is None or fits(self._changing.leaves, devices)
            self._has_space = devices.all_have(has_space, "looking for space for a second state")
        return self._has_space and self._is_repeatable()

    def remember(self, span: Span, stop_when_not_finite: bool) -> None:
        """Keep a copy of the state before a span, which is run next."""
        self._prepare()
        before = [] if self._changing is None else cast("list[Array]", _copies(self._changing.leaves))
        self._remembered.append(_Remembered(span, stop_when_not_finite, before))

    def begin(self, batches: int) -> None:
        """Begin to notice, when so many batches of the oldest span were run, or none of any."""
        self._batches, self.at, self.looked = batches, 0, False
        self._thread = threading.get_ident()
        for state in self._watched:
            if state.on_use is not None:
                state.on_use()  # this pass is made in a hook of another one
            if state.on_use is None:
                state.on_use = self._look
        if batches:
            self._hide()

    def has_changed(self) -> bool:
        """Return whether somebody has looked at the state, or set a learning rate, which makes it go back, too."""
        if not self.looked and self._rates is not None and not self._rates.are_pushed:
            self._look()
        return self.looked

    def end(self, stays_ahead: bool) -> None:
        """End noticing; the state is the one after `at` batches then, unless it stays ahead."""
        try:
            if not self.looked:
                self._notice_no_more()
                if not stays_ahead:
                    self._go_back()
        finally:
            if self._batches and self._remembered:
                self._remembered.popleft()

    def return_to_hooks(self) -> None:
        """Go back to where the oldest span that is remembered begins, if there is one."""
        if self._remembered:
            self.at, self._batches = 0, 1
            self._go_back()
            self._remembered.clear()

    def _look(self) -> None:
        if threading.get_ident() != self._thread:
            self._tell_other_thread()
            return  # the state can't be taken back to hooks that go on meanwhile
        with self._uninterrupted():
            self._notice_no_more()
            if self._batches:
                self.before_return()
            self._go_back()
            self.looked = True

    def _tell_other_thread(self) -> None:
        is_ahead = self.at < self._batches or len(self._remembered) > 1
        if is_ahead and self._changing is not None and not self._has_told:
            self._has_told = True
            warn(
                "a thread looks at the model while fit calls hooks of batches that have run long since: what it sees, "
                "or writes, is of a later batch than that of the hook. Look in the hook itself, or let the callback "
                'have cadence = Every(1, "batch").'
            )

    def _notice_no_more(self) -> None:
        for state in self._watched:
            if state.on_use == self._look:
                state.on_use = None

    def _go_back(self) -> None:
        """Let the state be the one after `at` batches of the oldest span, and forget the spans behind it."""
        with self._uninterrupted():
            ahead = [self._remembered.pop() for _ in range(len(self._remembered) - 1)]
            if self._changing is None or not self._batches:
                return
            if self.at < self._batches:
                if self._remembered and (oldest := self._remembered[0]).before:
                    self._changing.leaves = oldest.before
                    if self.at:
                        self._rerun(dataclasses.replace(oldest.span, count=self.at), oldest.stops)
            elif ahead and ahead[-1].before:
                self._changing.leaves = ahead[-1].before


@jax.jit
def _copies(leaves: list[Array]) -> list[Array]:
    """Return copies of arrays, made in one call."""
    return [jnp.copy(leaf) for leaf in leaves]
