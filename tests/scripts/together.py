"""Two processes that add numbers together until something happens to one of them.

python together.py WHAT VICTIM
"""

import os
import signal
import sys
import time

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from joined import INDEX, join

import epochal
from epochal import distribution
from epochal.core.processes import THIS
from epochal.data.seeds import fresh_seed
from epochal.distribution import watch

what, victim = sys.argv[1], int(sys.argv[2])
HEARTBEAT = float(os.environ.get("HEARTBEAT", "2"))


def adder():
    """Return a function that returns the sum of the processes' numbers, once all have called it."""
    mesh = Mesh(np.array(jax.devices()), ("batch",))
    rows, whole = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
    total = jax.jit(lambda x: x.sum(), out_shardings=whole)

    def add(number):
        with watch.waiting():
            try:
                mine = np.array([number], "float32")
                return float(total(jax.make_array_from_process_local_data(rows, mine)))
            except Exception as error:
                raise watch.explained(error) from None

    return add


def happen():
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "raise":
        raise ValueError(f"a hook raised on process {INDEX}")
    if what == "exit":
        sys.exit(3)
    if what == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LONG)
    if what == "late":
        THIS.at("waits for data (epoch 3, batch 37)")
        time.sleep(1.5)


LONG = 100
epochal.set_random_seed(INDEX)
join(heartbeat_seconds=HEARTBEAT, late_seconds=0.5, timeout_seconds=float(os.environ.get("TIMEOUT", "30")))
print("seed", fresh_seed(), distribution.process_index(), distribution.process_count(), distribution.is_primary())
if what == "late":
    try:
        join()
    except RuntimeError as error:
        print(error)
add = adder()
print("sum", add(INDEX + 1), flush=True)
started = time.monotonic()
try:
    if victim == INDEX:
        happen()
    print("sum", add(10 * (INDEX + 1)), flush=True)
finally:
    print(f"{time.monotonic() - started:.1f} s after {what}", flush=True)
