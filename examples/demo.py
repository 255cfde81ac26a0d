"""Train a small convolutional network on real images of handwritten digits, with the callbacks attached.

Stop it with Ctrl-C, or kill it, and run it again: it goes on where it was.
"""

import shutil
import socket
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import epochal
from epochal.callbacks import (
    BackupAndRestore,
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
    RemoteMonitor,
    TensorBoard,
    TerminateOnNaN,
)
from epochal.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from epochal.models import Sequential

FOLDER = Path("runs/demo")
DONE = FOLDER / "done"
EPOCHS = 30


def monitor_listens() -> bool:
    """Say whether `epochal monitor` runs at its usual address."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", 9000)) == 0


def main() -> None:
    if DONE.exists():
        shutil.rmtree(FOLDER)
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)

    epochal.set_random_seed(1)
    model = Sequential(
        [
            Conv2D(32, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
            Conv2D(64, 3, padding="same", activation="relu"),
            MaxPooling2D(),
            Dropout(0.25),
            Flatten(),
            Dense(128, activation="relu"),
            Dropout(0.5),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.summary()

    callbacks = [
        ReduceLROnPlateau(factor=0.5, patience=3, min_lr=1e-5),
        EarlyStopping(patience=8, restore_best_weights=True, verbose=1),
        TerminateOnNaN(),
        ModelCheckpoint(FOLDER / "best.h5", save_best_only=True),
        CSVLogger(FOLDER / "log.csv"),
        TensorBoard(FOLDER / "tensorboard", histogram_freq=5),
        BackupAndRestore(FOLDER / "backup"),
    ]
    if monitor_listens():
        callbacks.append(RemoteMonitor(name="demo"))
    model.fit(x, y, batch_size=32, epochs=EPOCHS, validation_data=(x_test, y_test), callbacks=callbacks)

    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    DONE.touch()
    print(f"\nValidation accuracy {accuracy:.4f}, loss {loss:.4f}. What was written, and what to do with it:")
    print(f"  {FOLDER}/log.csv       a row an epoch")
    print(f"  {FOLDER}/best.h5       the best model: epochal.models.load_model reads it, and so does Keras")
    print(f"  {FOLDER}/backup/       the whole run: stop the demo with Ctrl-C, run it again, and it goes on")
    print(f"  {FOLDER}/tensorboard/  .venv/bin/tensorboard --logdir {FOLDER}/tensorboard")
    print("Watch it live: .venv/bin/epochal monitor in another terminal, then make demo again.")
    print("Next: make demo-devices (eight devices, two processes); docs/start.md begins at the beginning.")


if __name__ == "__main__":
    main()
