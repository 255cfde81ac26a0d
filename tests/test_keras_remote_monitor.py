"""What a monitor is told of the fit of a Keras model."""

import os

import numpy as np
import pytest
from monitoring import serving

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")

from epochal.callbacks import EarlyStopping, RemoteMonitor  # noqa: E402
from epochal.keras import Model  # noqa: E402

pytest.importorskip("uvicorn", reason="the extra `monitor` isn't installed")


def test_why_a_fit_of_a_keras_model_ended_and_what_it_was_made_with(tmp_path):
    kmodel = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    kmodel.compile(loss="mse", optimizer=keras.optimizers.SGD(0.25))
    model, x, y = Model(kmodel), np.zeros((8, 3)), np.ones((8, 1))
    stops = {
        "ours": EarlyStopping("loss", patience=1, min_delta=9.0),
        "keras": keras.callbacks.EarlyStopping("loss", patience=0, min_delta=9.0),
    }
    with serving(tmp_path / "runs.db") as monitor:
        for name, stop in stops.items():
            callback = RemoteMonitor(monitor.root, name=name)
            model.fit(x, y, batch_size=4, epochs=5, verbose=0, callbacks=[stop, callback])
        runs = {run["name"]: run for run in monitor.get("/api/runs")["runs"]}
        config = monitor.get(f"/api/configs?runs={runs['ours']['id']}")["configs"][runs["ours"]["id"]]
    assert [run["state"] for run in runs.values()] == ["early"] * 2
    assert runs["ours"]["reason"].startswith("loss was best in epoch 1")
    assert runs["keras"]["reason"] == "EarlyStopping has set model.stop_training"
    assert (config["optimizer"], config["batch_size"], runs["ours"]["last"]["learning_rate"]) == ("SGD", 4, 0.25)
