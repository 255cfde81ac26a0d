"""What TensorBoard itself reads in a log folder."""

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def accumulator(folder):
    """Return an accumulator that keeps everything, and has read it."""
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return reader.Reload()


def scalars(folder, without=("epoch_step_time",)):
    """Return `{tag: {step: value}}` of a run, by default without times; a step that appears twice fails."""
    reader = accumulator(folder)
    return {tag: _by_step(reader.Scalars(tag), "value") for tag in reader.Tags()["scalars"] if tag not in without}


def tensors(folder):
    """Return `{tag: {step: array}}` of a run; a step that appears twice fails."""
    reader = accumulator(folder)
    found = {tag: _by_step(reader.Tensors(tag), "tensor_proto") for tag in reader.Tags()["tensors"]}
    return {tag: {step: make_ndarray(proto) for step, proto in steps.items()} for tag, steps in found.items()}


def _by_step(events, attribute):
    steps = [event.step for event in events]
    assert len(steps) == len(set(steps)), f"a step appears twice: {steps}"
    return {event.step: getattr(event, attribute) for event in events}


def float32(values):
    return [float(np.float32(value)) for value in values]


def by_step(values, first=0):
    return dict(enumerate(float32(values), first))
