# Copyright 2026 The GAIR for Hugging Face contributors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""
`--executor jobs` and `--executor slurm` of `training/embed.py` and `training/streetscapes.py`: the files of local workers, byte for byte. Hugging Face Jobs
run on a loopback Hub and see nothing of this machine but their volumes; commands named like Slurm's run the tasks at once.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from modeling_gair.crs_gair import unproject
from tests.helpers.embedding import BANDS, ROOT, embed_command, jpeg, write_places
from tests.helpers.hub_buckets import can_run_jobs
from tests.helpers.rasters import made_pixels, write_tif

pytestmark = pytest.mark.ci
needs_namespaces = pytest.mark.skipif(not can_run_jobs(), reason="no process may mount here what it alone sees")
_JOBS = ("--executor", "jobs", "--cluster.bucket", "org/jobs", "--workers", "2")
_SLURM = ("--executor", "slurm", "--cluster.partition", "all")
_SECRET = "a-secret-of-mapillary"
_EMBED_FLAGS = ("--items_per_task", "20", "--batch_size", "20")
_PAIRS = {"input": "photos", "provider": "scenes", "window_m": 400, "test_share": 0, "own_photos": "Noise."}
# The stages before them are copied, since one at a time is enough to see.
_STAGES = ("photos", "tiles", "pack")
_SLURM_COMMANDS = {
    "sbatch": """
for script; do :; done
array=$(sed -n 's/^#SBATCH --array=\\([0-9-]*\\).*/\\1/p' "$script")
[ -z "$array" ] || echo "$array" >> "$0.arrays"
for task in $(echo "$array" | tr - ' ' | xargs -r seq); do
  SLURM_ARRAY_TASK_ID=$task SLURM_NODELIST=node bash "$script" >> "$0.log" 2>&1
done
echo Submitted batch job 7
""",
    "srun": 'while [ "$1" != launch_pickled_pipeline ]; do shift; done; "$@"',
    "scontrol": "echo node",
}


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A folder with places, photos and a scene, and what local workers make of them."""
    folder = tmp_path_factory.mktemp("here")
    write_places(folder / "places.csv", 40)
    west, north, rng = 400_000, 5_800_000, np.random.default_rng(0)
    lon, lat = unproject(west + rng.uniform(300, 1700, 12), north - rng.uniform(300, 1700, 12), "EPSG:32633")
    (folder / "photos").mkdir(), (folder / "scenes").mkdir()
    for number, place in enumerate(zip(lon.tolist(), lat.tolist())):
        (folder / "photos" / f"{number}.jpg").write_bytes(jpeg(*place, seed=number, width=384))
    write_tif(
        folder / "scenes" / "city_20240621.tif",
        made_pixels(height=200, width=200) + np.uint16(1),
        transform=(10, 0, west, 0, -10, north),
        names=BANDS,
    )
    run(folder, embed_command("places.csv", Path("embedded"), *_EMBED_FLAGS))
    run(folder, make_pairs(Path("pairs")))
    return folder


def make_pairs(output: Path, *flags: str) -> list[str]:
    options = [part for name, value in {**_PAIRS, "output": output}.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "training/streetscapes.py", *options, *flags]


def run(folder: Path, command: list[str], **environment: str) -> str:
    command = [command[0], str(ROOT / command[1]), *command[2:]]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    return done.stdout


def begun(folder: Path, output: str) -> None:
    """A copy of the local pairs that lacks what some stages have made."""
    shutil.copytree(folder / "pairs", folder / output)
    for name in ("photos", "tiles", "pack", "dataset"):
        shutil.rmtree(folder / output / name)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same_pairs(folder: Path, output: str) -> bool:
    return files(folder / output / "dataset") == files(folder / "pairs" / "dataset")


@pytest.fixture
def jobs(hub, here):
    """Runs a program with the loopback Hub, and returns what it says, and its Jobs."""
    cache = Path("/var/tmp") / f"gair-cache-{os.getpid()}"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    hub.buckets.hidden = here
    hub.buckets.environment = {**inherited, **hub.environment(cache), "OMP_NUM_THREADS": "1"}
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers" / "xet")])

    def run_there(command: list[str]) -> str:
        hub.buckets.jobs.clear()
        return run(here, command, **hub.buckets.environment, PYTHONPATH=path, MAPILLARY_TOKEN=_SECRET)

    yield run_there
    shutil.rmtree(cache, ignore_errors=True)


@needs_namespaces
def test_jobs_embed_places(jobs, hub, here):
    hub.buckets.failing = 1
    said = jobs(embed_command("places.csv", Path("by_jobs"), *_EMBED_FLAGS, *_JOBS))
    # One failed, and was started again.
    assert len(hub.buckets.jobs) == 3 and "holds 40 embeddings" in said
    assert files(here / "by_jobs" / "embeddings") == files(here / "embedded" / "embeddings")
    asked = next(iter(hub.buckets.jobs.values())).asked
    assert "/mnt/gair/code[embed,streets]" in asked["command"] and asked["timeoutSeconds"] == 4 * 3600


@needs_namespaces
def test_jobs_make_pairs(jobs, hub, here):
    begun(here, "pairs_by_jobs")
    jobs(make_pairs(Path("pairs_by_jobs"), *_JOBS))
    assert len(hub.buckets.jobs) == len(_STAGES) and same_pairs(here, "pairs_by_jobs")
    # Tokens go to Jobs as secrets, and are written nowhere.
    assert all(job.asked["secrets"]["MAPILLARY_TOKEN"] == _SECRET for job in hub.buckets.jobs.values())
    assert not any(_SECRET.encode() in content for content in hub.buckets.contents.values())


@pytest.fixture
def slurm(tmp_path) -> dict[str, str]:
    for name, script in _SLURM_COMMANDS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


def test_slurm_embeds_places(slurm, here, tmp_path):
    run(here, embed_command("places.csv", Path("by_slurm"), *_EMBED_FLAGS, *_SLURM), **slurm)
    assert files(here / "by_slurm" / "embeddings") == files(here / "embedded" / "embeddings")
    assert submitted(tmp_path) == ["0-1"]


def test_slurm_makes_pairs(slurm, here, tmp_path):
    begun(here, "pairs_by_slurm")
    run(here, make_pairs(Path("pairs_by_slurm"), *_SLURM), **slurm)
    assert same_pairs(here, "pairs_by_slurm")
    assert submitted(tmp_path) == ["0-0"] * len(_STAGES)


def submitted(folder: Path) -> list[str]:
    """The arrays of tasks; each is followed by a job of datatrove that adds up its statistics."""
    return (folder / "sbatch.arrays").read_text(encoding="utf-8").split()[::2]
