"""The scheduler scripts of the page on resume do what it says, as far as Bash and a parser can tell."""

import os
import signal
import subprocess
import sys

import yaml
from documents import ROOT, blocks

SHOWN = {block.language: block.code for block in blocks(ROOT / "docs" / "resume.md")}

CLUSTER = """
SLURM_JOB_ID=7
srun() { exec "$@"; }  # a signal to srun reaches the program
scontrol() { echo "scontrol $*"; }
"""

PROGRAM = """
import signal, sys, time

def save(number, frame):
    print("saved", flush=True)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)

signal.signal(signal.SIGTERM, save)
print("training", flush=True)
time.sleep(60)
"""


def job(tmp_path, program):
    """Start the batch script with a program in the place of `train.py`."""
    (tmp_path / "train.py").write_text(program)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to(sys.executable)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", "-c", CLUSTER + SHOWN["bash"]],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
    )


def test_a_batch_job_whose_time_is_nearly_up_saves_and_is_queued_again(tmp_path):
    with job(tmp_path, PROGRAM) as script:
        assert script.stdout.readline() == "training\n"
        script.send_signal(signal.SIGTERM)
        assert script.stdout.read() == "saved\nscontrol requeue 7\n"
    assert script.returncode == 0


def test_a_batch_job_ends_as_its_program_does_and_is_not_queued_again(tmp_path):
    with job(tmp_path, "print('trained'); raise SystemExit(3)") as script:
        assert script.stdout.read() == "trained\n"
    assert script.returncode == 3


def test_a_batch_job_asks_for_the_signal_and_to_be_queued_again():
    asked = [line.removeprefix("#SBATCH ") for line in SHOWN["bash"].splitlines() if line.startswith("#SBATCH")]
    assert {"--signal=B:TERM@120", "--requeue"} <= {*asked}


def test_the_manifest_starts_new_pods_gives_time_to_save_and_keeps_the_folder():
    spec = yaml.safe_load(SHOWN["yaml"])["spec"]["template"]["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["terminationGracePeriodSeconds"] == 120
    (container,) = spec["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}
