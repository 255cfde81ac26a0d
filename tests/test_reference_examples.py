"""Every code block of the reference page, as it stands: only the import is another one.

Names the page leaves open are supplied here, lines it cuts off at its margin are completed.
"""

import json

import numpy as np
import pytest

import epochal as keras
from epochal.callbacks import CSVLogger, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from epochal.layers import Activation, Dense
from epochal.models import Sequential, load_model

RNG = np.random.default_rng(0)
x_train = X_train = RNG.random((256, 784), dtype=np.float32)
y_train = Y_train = np.eye(10, dtype=np.float32)[RNG.integers(0, 10, 256)]
X_test, Y_test = x_train[:32], y_train[:32]


@pytest.fixture(scope="module")
def model():
    """Return the page's model."""
    model = Sequential()
    model.add(Dense(10, input_dim=784, kernel_initializer="uniform"))
    model.add(Activation("softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop")
    return model


SIGNATURES = {
    "Callback": {},
    "BaseLogger": {},
    "TerminateOnNaN": {},
    "ProgbarLogger": {"count_mode": "samples"},
    "History": {},
    "ModelCheckpoint": {
        "filepath": "weights.h5",
        "monitor": "val_loss",
        "verbose": 0,
        "save_best_only": False,
        "save_weights_only": False,
        "mode": "auto",
        "period": 1,
    },
    "EarlyStopping": {"monitor": "val_loss", "min_delta": 0, "patience": 0, "verbose": 0, "mode": "auto"},
    "RemoteMonitor": {
        "root": "http://localhost:9000",
        "path": "/publish/epoch/end/",
        "field": "data",
        "headers": None,
    },
    "LearningRateScheduler": {"schedule": lambda epoch: 0.1, "verbose": 0},
    "TensorBoard": {
        "log_dir": "./logs",
        "histogram_freq": 0,
        "batch_size": 32,
        "write_graph": True,
        "write_grads": False,
        "write_images": False,
        "embeddings_freq": 0,
        "embeddings_layer_names": None,
        "embeddings_metadata": None,
    },
    "ReduceLROnPlateau": {
        "monitor": "val_loss",
        "factor": 0.1,
        "patience": 10,
        "verbose": 0,
        "mode": "auto",
        "epsilon": 0.0001,
        "cooldown": 0,
        "min_lr": 0,
    },
    "CSVLogger": {"filename": "training.log", "separator": ",", "append": False},
    "LambdaCallback": {
        "on_epoch_begin": None,
        "on_epoch_end": None,
        "on_batch_begin": None,
        "on_batch_end": None,
        "on_train_begin": None,
        "on_train_end": None,
    },
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_class_takes_the_pages_arguments(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    made = getattr(keras.callbacks, name)(**SIGNATURES[name])
    assert isinstance(made, keras.callbacks.Callback)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(SIGNATURES) - {"Callback", "BaseLogger", "TerminateOnNaN", "History"}))
def test_the_pages_arguments_may_be_given_by_position(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    arguments = {key: value for key, value in SIGNATURES[name].items() if key != "epsilon"}
    if name == "ReduceLROnPlateau":
        arguments = dict(list(arguments.items())[:5])
    getattr(keras.callbacks, name)(*arguments.values())


def test_reduce_lr_on_plateau(model):
    # fmt: off
    reduce_lr = ReduceLROnPlateau(monitor='val_loss', factor=0.2,
                                   patience=5, min_lr=0.001)
    model.fit(X_train, Y_train, callbacks=[reduce_lr], validation_data=(X_test, Y_test))
    # fmt: on
    assert "lr" in model.history.history


def test_without_validation_data_that_example_says_what_is_missing(model):
    reduce_lr = ReduceLROnPlateau(monitor="val_loss", factor=0.2, patience=5, min_lr=0.001)
    with pytest.raises(ValueError, match="ReduceLROnPlateau needs 'val_loss', .* pass validation_data="):
        model.fit(X_train, Y_train, callbacks=[reduce_lr])


def test_csv_logger(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    csv_logger = CSVLogger('training.log')  # fmt: skip
    model.fit(X_train, Y_train, callbacks=[csv_logger])
    assert (tmp_path / "training.log").read_text().startswith("epoch,loss\n0,")


class Process:
    """A process that can be ended."""

    def __init__(self):
        self.alive = True

    def is_alive(self):
        return self.alive

    def terminate(self):
        self.alive = False


def test_lambda_callbacks(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # fmt: off
    # すべてのバッチの開始時にバッチ番号を表示
    batch_print_callback = LambdaCallback(
        on_batch_begin=lambda batch, logs: print(batch))

    # Stream the epoch loss to a file in JSON format. The file content
    # is not well-formed JSON but rather has a JSON object per line.
    json_log = open('loss_log.json', mode="w", buffering=1)  # noqa: SIM115
    json_logging_callback = LambdaCallback(
        on_epoch_end=lambda epoch, logs: json_log.write(
            json.dumps({'epoch': epoch, 'loss': logs['loss']}) + '\n'),
        on_train_end=lambda logs: json_log.close()
    )

    # 訓練終了時にいくつかのプロセスを終了
    processes = [Process(), Process()]
    cleanup_callback = LambdaCallback(
        on_train_end=lambda logs: [
            p.terminate() for p in processes if p.is_alive()]
    )

    model.fit(X_train, Y_train, epochs=2, verbose=0,
              callbacks=[batch_print_callback,
                         json_logging_callback,
                         cleanup_callback])
    # fmt: on
    assert capsys.readouterr().out.split() == [str(batch) for batch in range(8)] * 2
    lines = [json.loads(line) for line in (tmp_path / "loss_log.json").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1]
    assert json_log.closed
    assert not any(process.is_alive() for process in processes)


def test_a_callback_of_ones_own():
    # fmt: off
    class LossHistory(keras.callbacks.Callback):
        def on_train_begin(self, logs={}):  # noqa: B006
            self.losses = []

        def on_batch_end(self, batch, logs={}):  # noqa: B006
            self.losses.append(logs.get('loss'))

    model = Sequential()
    model.add(Dense(10, input_dim=784, kernel_initializer='uniform'))
    model.add(Activation('softmax'))
    model.compile(loss='categorical_crossentropy', optimizer='rmsprop')

    history = LossHistory()
    model.fit(x_train, y_train, batch_size=128, epochs=20, verbose=0, callbacks=[history])

    print(history.losses)
    # fmt: on
    assert len(history.losses) == 40
    assert all(type(loss) is float for loss in history.losses)
    assert history.losses[-1] < history.losses[0]


def test_model_checkpoint(tmp_path, capsys):
    # fmt: off
    model = Sequential()
    model.add(Dense(10, input_dim=784, kernel_initializer='uniform'))
    model.add(Activation('softmax'))
    model.compile(loss='categorical_crossentropy', optimizer='rmsprop')

    checkpointer = ModelCheckpoint(filepath=str(tmp_path / 'weights.hdf5'), verbose=1, save_best_only=True)
    model.fit(x_train, y_train, batch_size=128, epochs=20, verbose=0, validation_data=(X_test, Y_test), callbacks=[checkpointer])
    # fmt: on
    assert "weights.hdf5" in capsys.readouterr().out
    saved = load_model(tmp_path / "weights.hdf5")
    best = min(model.history.history["val_loss"])
    assert saved.evaluate(X_test, Y_test, verbose=0) == pytest.approx(best, rel=1e-5)


def test_the_names_of_weights_may_have_epoch_and_logs(tmp_path, model):
    template = str(tmp_path / "weights.{epoch:02d}-{val_loss:.2f}.hdf5")
    model.fit(
        x_train, y_train, epochs=2, verbose=0, validation_data=(X_test, Y_test), callbacks=[ModelCheckpoint(template)]
    )
    values = model.history.history["val_loss"]
    names = [f"weights.{epoch:02d}-{value:.2f}.hdf5" for epoch, value in enumerate(values, 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
