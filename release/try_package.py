"""Build the wheel and the sdist, and try both as somebody who has only them: `make package`.

In an environment that holds nothing else: the imports that need no framework, a fit with callbacks that is saved and
resumed, `epochal monitor`, and the types of a user's script. The sdist must make the same package as the wheel.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(__file__).parent / "user"
DIST = ROOT / "dist"


def main() -> None:
    wheel, sdist = build()
    with tempfile.TemporaryDirectory(prefix="epochal-package-") as folder:
        environment = Environment(Path(folder) / "environment")
        print("installing the wheel, and nothing else", flush=True)
        environment.pip("install", str(wheel))
        environment.python("without_frameworks.py", folder)
        print("installing its extras jax, monitor and remote, and fitting", flush=True)
        environment.pip("install", f"{wheel}[jax,monitor,remote]")
        environment.try_fit(folder)
        environment.check_types(folder)
        print("making a package from the sdist", flush=True)
        environment.pip("wheel", "--no-deps", "--wheel-dir", folder, str(sdist))
        assert contents(Path(folder) / wheel.name) == contents(wheel), "the sdist makes another package"
    print(f"{wheel.name} and {sdist.name} do what they should.")


def build() -> tuple[Path, Path]:
    """Return the files of a wheel and an sdist that were built now."""
    for old in DIST.glob("epochal-*"):
        old.unlink()
    run(sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT))
    files = sorted(DIST.glob("epochal-*"))
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    with tarfile.open(sdist) as file:
        packed = {name.partition("/")[2] for name in file.getnames()}
    strange = packed - {*run("git", "-C", ROOT, "ls-files").splitlines(), "PKG-INFO"}
    assert not strange, f"the sdist has what isn't in the repository: {sorted(strange)[:5]}"
    return wheel, sdist


def contents(wheel: Path) -> dict[str, bytes]:
    """Return what a wheel installs, by name."""
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


class Environment:
    """A virtual environment that begins empty; everything in it runs outside the checkout."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.bin = folder / "bin"

    def pip(self, *arguments: str) -> None:
        run(self.bin / "pip", "--quiet", "--disable-pip-version-check", *arguments)

    def python(self, script: str, folder: str, *arguments: str) -> str:
        return run(self.bin / "python", "-W", "error", SCRIPTS / script, *arguments, cwd=folder)

    def try_fit(self, folder: str) -> None:
        """A fit that posts to `epochal monitor`, and the same run once more: it says that it is finished."""
        command = [self.bin / "epochal", "monitor", "--port", "0", "--db", f"{folder}/runs.db"]
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            address = re.search(r"http://[\w.]+:\d+", server.stdout.readline())[0]
            assert "Epoch 3/3" in self.python("train.py", folder, address)
            assert "is finished" in (again := self.python("train.py", folder, address)), again
            for path, holds in (("/", b"<title"), ("/api/runs", b'"val_accuracy"')):
                with urllib.request.urlopen(address + path, timeout=10) as answer:
                    assert holds in (got := answer.read()), (path, got)
        finally:
            server.terminate()
            server.wait(10)

    def check_types(self, folder: str) -> None:
        """The types of a user's script, by two checkers, and that they find its mistakes."""
        self.pip("install", "pyright", "mypy")
        for checker, options in (("mypy", ["--strict"]), ("pyright", ["--pythonpath", self.bin / "python"])):
            run(self.bin / checker, *options, SCRIPTS / "train.py", cwd=folder)
            wrong = subprocess.run(
                [self.bin / checker, *options, SCRIPTS / "wrong_types.py"], cwd=folder, capture_output=True, text=True
            )
            marked = [
                n
                for n, line in enumerate((SCRIPTS / "wrong_types.py").read_text().splitlines(), 1)
                if "# wrong" in line
            ]
            found = sorted({int(n) for n in re.findall(r"wrong_types\.py:(\d+).*error", wrong.stdout)})
            assert found == marked, (
                f"{checker} finds mistakes in lines {found}, and they are in {marked}:\n{wrong.stdout}"
            )


def run(*command: str | Path, cwd: str | None = None) -> str:
    """Run a command and return what it prints; what a failing one printed is shown."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
