"""Train the demo's network on eight devices, then in two processes: the same `train`, the same callbacks.

The devices are simulated on this machine's CPU, the processes talk over its loopback. On real GPUs and machines the two
lines that matter stay as they are; docs/devices.md says how to start the processes there.
"""

# ruff: noqa: E402 (XLA looks for its flags when JAX is imported)

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ALONE = len(sys.argv) == 1  # else a process that this script has started: INDEX COUNT ADDRESS PORT
if ALONE:
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"  # before JAX looks for devices
    os.environ["JAX_PLATFORMS"] = "cpu"

from sklearn.datasets import load_digits

import epochal
from epochal import distribution
from epochal.callbacks import BackupAndRestore, CSVLogger, EarlyStopping, RemoteMonitor
from epochal.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from epochal.models import Sequential

FOLDER = Path("runs/many_devices")
DONE = FOLDER / "done"
EPOCHS = 8


def train(folder: Path, callbacks: list) -> dict:
    """Train on as many devices as the distribution has; return the logs of the last epoch."""
    images, labels = load_digits(return_X_y=True)
    x = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    epochal.set_random_seed(1)
    model = Sequential(
        [
            Conv2D(16, 3, activation="relu", input_shape=(8, 8, 1)),
            MaxPooling2D(),
            Flatten(),
            Dense(64, activation="relu"),
            Dropout(0.3),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    callbacks += [EarlyStopping(patience=3), CSVLogger(folder / "log.csv"), BackupAndRestore(folder / "backup")]
    history = model.fit(x, labels, batch_size=64, epochs=EPOCHS, validation_split=0.2, callbacks=callbacks)
    return {name: values[-1] for name, values in history.history.items()}


def on_eight_devices() -> None:
    distribution.set_distribution(distribution.DataParallel())
    print(f"\n{distribution.distribution()}")
    show(train(FOLDER / "eight_devices", []))


def as_one_of_several(index: int, count: int, address: str, port: int) -> None:
    distribution.initialize(address, count, index)  # on a cluster that JAX knows, nothing need be said
    distribution.set_distribution(distribution.DataParallel())
    logs = train(FOLDER / "two_processes", [RemoteMonitor(f"http://127.0.0.1:{port}")])
    if distribution.is_primary():
        show(logs)


def in_two_processes() -> None:
    address, port = f"127.0.0.1:{free_port()}", free_port()
    print("\nTwo processes, and a monitor that they report to:", flush=True)
    epochal_command, database = Path(sys.executable).with_name("epochal"), FOLDER / "monitor.db"
    monitor = [epochal_command, "monitor", "--port", str(port), "--db", str(database)]
    with subprocess.Popen(monitor, stdout=subprocess.DEVNULL) as shown:
        try:
            wait_for(port)
            each = [[sys.executable, __file__, str(index), "2", address, str(port)] for index in range(2)]
            environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
            processes = [subprocess.Popen(command, env=environment) for command in each]
            codes = [process.wait() for process in processes]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/runs") as answer:
                runs = json.load(answer)["runs"]
            print(f"The monitor shows {len(runs)} run of {len(processes)} processes: {runs[0]['state']}.")
        finally:
            shown.terminate()
    if any(codes):
        sys.exit("a process has failed")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(port: int) -> None:
    """Wait until the monitor listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def show(logs: dict) -> None:
    print("The last epoch: " + ", ".join(f"{name} {value:.4f}" for name, value in logs.items()), flush=True)


if __name__ == "__main__":
    if ALONE:
        if DONE.exists():
            shutil.rmtree(FOLDER)
        FOLDER.mkdir(parents=True, exist_ok=True)
        on_eight_devices()
        in_two_processes()
        DONE.touch()
        print(f"\nBoth runs are in {FOLDER}/. Stop the script with Ctrl-C, run it again, and it goes on.")
        print("Next: docs/devices.md says which lines make it real GPUs, TPUs and machines.")
    else:
        as_one_of_several(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
