"""Whether a hook has asked to end what is run."""

from __future__ import annotations

from .accord import Accord
from .wakes import Phase

NAMES: dict[Phase, str] = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}
"""The attribute of the model with which a hook ends a phase."""


class StopFlag:
    """An attribute of the model that a hook sets to end the training, an evaluation or a prediction.

    Args:
        phase: Which of the three.
        model: Has the attribute.
        accord: Lets several processes decide alike.
    """

    def __init__(self, phase: Phase, model: object, accord: Accord) -> None:
        self._name, self._model, self._accord = NAMES[phase], model, accord

    @property
    def is_set(self) -> bool:
        """Whether somebody has asked to end."""
        return bool(getattr(self._model, self._name, False))

    def clear(self) -> None:
        """Forget that anybody has asked."""
        setattr(self._model, self._name, False)

    def meet(self, where: str) -> None:
        """Agree with the other processes, if there are any, on whether to end, and on what else hooks have asked for.

        Args:
            where: In which moment this is; the same in all processes.
        """
        if not self._accord.is_alone and self._accord.meet(where, self.is_set).stop:
            setattr(self._model, self._name, True)
