"""Runs in processes of their own, which may be killed, and what they leave."""

import hashlib
import json
import os
import subprocess
import sys

from folders import SCRIPTS


class Forks:
    """Runs scripts one at a time, each in a process of its own; see `scripts/forks.py`."""

    def __init__(self, cache):
        compiled = {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", SCRIPTS / "forks.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | compiled,
        )

    def start(self, folder, **options):
        """Start `scripts/train.py` on a folder, where its output goes to `output`; return the process's id."""
        folder.mkdir(exist_ok=True)
        return self.start_script(SCRIPTS / "train.py", folder / "output", folder, json.dumps(options))

    def start_script(self, script, output, *arguments):
        """Start a script that writes to a file; return the process's id."""
        print(json.dumps([*map(str, [script, output, *arguments])]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def wait(self):
        """Return its exit status, negative if a signal ended it."""
        return int(self._process.stdout.readline())

    def run(self, folder, **options):
        """Run it to its end."""
        self.start(folder, **options)
        return self.wait()

    def run_code(self, code, folder):
        """Run lines of Python in a folder to their end; if they fail, show what they wrote."""
        script, output = folder.with_name("script.py"), folder.with_name("output")
        script.write_text(f"import os; os.chdir({str(folder)!r})\n{code}", encoding="utf-8")
        self.start_script(script, output)
        assert self.wait() == 0, output.read_text()

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def outcome(folder):
    """Return the digest of each thing that a run leaves, and of the newest saved state."""
    files = [*(folder / n for n in ("log.csv", "result.json", "weights", "engine", "best.weights.h5")), newest(folder)]
    return {"state" if f.suffix == ".run" else f.name: hashlib.sha256(f.read_bytes()).hexdigest()[:8] for f in files}


def newest(folder):
    """Return the newest saved state."""
    return max((folder / "run").glob("generation-*.run"))
