"""What a step, an agreement and a save cost from 8 to 10,000 devices: arithmetic with stated speeds, not a measurement.

Times of collectives follow from the latency of a message and the bytes that a link carries a second, for a ring and for
a double binary tree; stragglers are drawn at random. docs/devices.md shows what it prints.
"""

import numpy as np

DEVICES = (8, 64, 512, 4096, 10_000)
PER_HOST = 8
PARAMETERS = 1e9
STEP = 0.200
"""Seconds of computation a step, of a billion parameters in bfloat16 on a device with its share of the batch."""

LINK, LATENCY = 50e9, 10e-6
"""Bytes a second between hosts for each device (400 Gbit/s), and seconds a message."""

INSIDE, INSIDE_LATENCY = 400e9, 2e-6
"""The same within a host."""

JITTER = 0.01
"""The standard deviation of a device's step, as a share of it."""

SPAN = 0.25
"""Seconds between two agreements."""

DISPATCH = 300e-6
"""Seconds of the host around an agreement: start it, read it (measured on a CPU with two processes over loopback)."""

TEXT = 30e-6
"""Seconds of the coordinator for a process's text (measured on loopback), as streams exchange for each chunk."""

DISK, TO_HOST = 2e9, 20e9
"""Bytes a second to a disk, and from a device to its host."""


def ring(devices, bytes_):
    """Return the seconds of an all-reduce along a ring."""
    speed, latency = _slowest(devices)
    return 2 * (devices - 1) / devices * bytes_ / speed + 2 * (devices - 1) * latency


def tree(devices, bytes_):
    """Return the seconds of an all-reduce over a double binary tree."""
    speed, latency = _slowest(devices)
    return 2 * bytes_ / speed + 2 * np.ceil(np.log2(devices)) * latency


def _slowest(devices):
    return (INSIDE, INSIDE_LATENCY) if devices <= PER_HOST else (LINK, LATENCY)


def straggling(devices, steps=200):
    """Return by how many seconds the slowest device of a step is slower than the mean, on average."""
    rng = np.random.default_rng(0)
    return STEP * JITTER * float(np.mean([rng.standard_normal(devices).max() for _ in range(steps)]))


def rows():
    """Yield for each number of devices the seconds of each part."""
    gradients, state = 2 * PARAMETERS, 12 * PARAMETERS  # bfloat16; float32 weights and two moments
    for devices in DEVICES:
        hosts = max(1, devices // PER_HOST)
        yield {
            "devices": devices,
            "gradients, ring": ring(devices, gradients),
            "gradients, tree": tree(devices, gradients),
            "slowest device": straggling(devices),
            "agreement a span": tree(devices, 44) + DISPATCH,
            "texts a chunk": hosts * TEXT,
            "save whole: blocks": state / TO_HOST,
            "save whole: written": state / DISK,
            "save in parts: blocks": state / devices / TO_HOST,
            "save in parts: written": state / devices * PER_HOST / DISK,
        }


def main():
    """Print the table, in milliseconds, as the page in docs/ has it."""
    found = list(rows())
    names = [name for name in found[0] if name != "devices"]
    print("| milliseconds, devices: | " + " | ".join(f"{row['devices']:,}" for row in found) + " |")
    print("| --- |" + " --- |" * len(found))
    for name in names:
        print(f"| {name} | " + " | ".join(f"{1e3 * row[name]:,.3g}" for row in found) + " |")
    print("\nOf a step:")
    for row in found:
        step = STEP + row["gradients, tree"] + row["slowest device"]
        share = {
            "gradients": row["gradients, tree"] / step,
            "slowest device": row["slowest device"] / step,
            "agreement": row["agreement a span"] / SPAN,
        }
        print(f"  {row['devices']:>6,}: " + ", ".join(f"{name} {100 * part:.2g} %" for name, part in share.items()))


if __name__ == "__main__":
    main()
