"""What a mesh costs on one device, what agreement costs among processes, and Keras's DataParallel beside ours.

Eight devices are simulated on the CPU, and two processes talk over loopback, so these say what is added to the steps,
not how much faster more devices are.
"""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np

from benchmarks.contest import best_of, report

ROUNDS = 8


def main():
    """Run the three contests, each in processes of its own where it needs other devices."""
    mesh_of_one_device()
    for what, count, devices in [("keras", 1, 8), ("agreement", 2, 1), ("keras_processes", 2, 1)]:
        for line in _in_processes(what, count, devices):
            name, value, limit, unit = json.loads(line)
            report(name, value, limit, unit)


def mesh_of_one_device():
    """Compare an epoch on a mesh of one device with one without a mesh."""
    import jax

    from benchmarks.workloads import arrays, model
    from epochal import distribution

    def epoch(name, chosen):
        x, y, batch = arrays(name)
        made = model(name)

        def run():
            distribution.set_distribution(chosen)
            start = time.perf_counter()
            made.fit(x, y, batch_size=batch, epochs=2, verbose=0)
            distribution.set_distribution(None)
            return time.perf_counter() - start

        return run

    one = distribution.DataParallel(jax.devices()[:1])
    for name in ("tiny", "softmax", "mlp512"):
        best = best_of({"none": epoch(name, None), "mesh": epoch(name, one)}, ROUNDS)
        report(f"{name}: a mesh of one device / none", best["mesh"] / best["none"], 1.02)


# What the processes do that this one starts


def keras():
    """Compare epochs of a small Keras model on eight devices, in Keras's fit and in ours.

    With a larger one Keras's fit doesn't end: it starts steps ahead, whose devices wait for each other in one pool of
    threads, which XLA ends after 40 seconds.
    """
    import keras as k

    import epochal.keras as ek

    k.distribution.set_distribution(k.distribution.DataParallel())
    x, y = _samples(8192, 64)

    def epochs(fit):
        def run():
            start = time.perf_counter()
            fit(x, y, batch_size=128, epochs=2, verbose=0)
            return time.perf_counter() - start

        return run

    best = best_of({"keras": epochs(_model(k, 64).fit), "epochal": epochs(ek.Model(_model(k, 64)).fit)}, 5)
    print(f"  {best['keras'] / 128 * 1e3:.2f} and {best['epochal'] / 128 * 1e3:.2f} ms a step", file=sys.stderr)
    _tell("8 devices: epochal / Keras's fit, DataParallel", best["epochal"] / best["keras"], 0.8)


def keras_processes():
    """Compare epochs of a Keras model in two processes, of batches that each process makes its part of."""
    import keras as k

    import epochal.keras as ek
    from epochal import distribution

    k.utils.set_random_seed(0)
    k.distribution.set_distribution(k.distribution.DataParallel(auto_shard_dataset=False))
    x, y = _samples(4096)

    class Parts(k.utils.PyDataset):
        def __len__(self):
            return 64

        def __getitem__(self, at):
            rows = slice(64 * at, 64 * at + 64)
            return x[rows], y[rows]

    def epochs(fit):
        def run():
            start = time.perf_counter()
            fit(Parts(), epochs=2, verbose=0)
            return time.perf_counter() - start

        return run

    best = best_of({"keras": epochs(_model(k).fit), "epochal": epochs(ek.Model(_model(k)).fit)}, 4)
    if distribution.is_primary():
        print(f"  {best['keras'] / 128 * 1e3:.2f} and {best['epochal'] / 128 * 1e3:.2f} ms a step", file=sys.stderr)
        _tell("2 processes: epochal / Keras's fit, DataParallel", best["epochal"] / best["keras"], 1.0)


def agreement():
    """Measure a meeting of two processes, and its share in a span of a quarter of a second."""
    import jax
    from jax.sharding import Mesh

    from epochal import distribution
    from epochal.core.accord import Accord
    from epochal.engines.jax.mesh_devices import LeastOf

    accord = Accord(LeastOf(Mesh(np.array(jax.devices()), ("batch",))))
    times = []
    for number in range(400):
        start = time.perf_counter()
        accord.meet(f"after batch {number}")
        times.append(time.perf_counter() - start)
    if distribution.is_primary():
        median = float(np.median(times[50:]))
        _tell("2 processes: a meeting, median", 1e3 * median, 5.0, "ms")
        _tell("2 processes: meetings in a fit, of a 0.25 s span", 100 * median / 0.25, 2.0, "%")


def _samples(count, features=784):
    rng = np.random.default_rng(0)
    return rng.random((count, features), dtype=np.float32), rng.integers(0, 10, count)


def _model(k, features=784):
    layers = [k.layers.Dense(features // 3, activation="relu"), k.layers.Dense(10, activation="softmax")]
    made = k.Sequential([k.Input((features,)), *layers])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def _tell(name, value, limit, unit="x"):
    print(json.dumps([name, value, limit, unit]), flush=True)


def _in_processes(what, count, devices):
    """Run a function of this module in processes, each with some simulated devices; return the lines it has told."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    flags = f"--xla_force_host_platform_device_count={devices}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "jax"}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.devices", what, str(count), str(index), address],
            env=environment, stdout=subprocess.PIPE, text=True,
        )
        for index in range(count)
    ]  # fmt: skip
    told = [process.communicate(timeout=600)[0] for process in started]
    if any(process.returncode for process in started):
        print(f"  {what} has failed", flush=True)
    return [line for line in told[0].splitlines() if line.startswith('["')]


if __name__ == "__main__":
    function, count, index, address = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    if count > 1:
        from epochal import distribution

        distribution.initialize(address, count, index)
    globals()[function]()
