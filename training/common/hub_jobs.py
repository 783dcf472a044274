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
Tasks on Hugging Face Jobs, which see nothing of this machine: a bucket of the Hub holds copies of this code, of the output and of what
tasks read, and is mounted in each Job, folders under the paths that they have here. So a task is the same call as on this machine.
"""

import hashlib
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from datatrove.executor import JobsPipelineExecutor
from huggingface_hub import HfApi, Volume
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from loguru import logger

from training.common.errors import reason
from training.common.jobs import ROOT, ClusterSettings, Tasks, repeated

# Where Jobs find the code, and single files that tasks read.
_MOUNT = "/mnt/gair"
_CODE = ("modeling_gair", "training")
# What the package is built from besides.
_FILES = ("pyproject.toml", "README.md", "LICENSE")
_ENVIRONMENT = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
_SECONDS_BETWEEN_POLLS = 5
_SECONDS_BETWEEN_FETCHES = 60.0


def run_on_the_hub(tasks: Tasks, workers: int, cluster: ClusterSettings) -> None:
    """
    Does the incomplete tasks on Hugging Face Jobs, up to `workers` at a time, and fetches what they write, from time to time and at the
    end. A Job that fails is started once more; if this process is stopped, its Jobs are cancelled.

    Raises:
        ValueError: there is no bucket or no token, a path cannot be used, or the Hub refuses.
    """
    copy, timeout = BucketCopy(cluster.bucket, tasks.needs.output, tasks.needs.inputs), _seconds(cluster.time)
    logger.enable("datatrove")
    try:
        copy.send()
        executor = _Executor(
            tasks.pipeline(prepare=partial(prepare_job, copy.folders_of_output(), copy.links(), os.getcwd())),
            tasks=len(tasks.sizes),
            workers=workers,
            logging_dir=f"{copy.address(tasks.needs.output)}/{copy.within_output(tasks.folder)}",
            flavor=cluster.flavor,
            image=cluster.image,
            dependencies=[f"{_MOUNT}/code[embed,streets]", f"datatrove=={version('datatrove')}"],
            timeout=timeout,
            tasks_per_job=cluster.tasks_per_job,
            namespace=copy.bucket.split("/")[0],
            secrets={name: os.environ[name] for name in tasks.needs.secrets if name in os.environ},
            env={"PYTHONPATH": f"{_MOUNT}/code", **_ENVIRONMENT},
            poll_interval=_SECONDS_BETWEEN_POLLS,
            job_name=copy.output.name,
            volumes=copy.volumes(),
        )
        with _fetched(copy):
            executor.run()
    except (HTTPError, OSError) as error:
        raise ValueError(
            f"Jobs cannot use the bucket {copy.bucket!r} of the Hub at {copy.api.endpoint} ({reason(error)}); log in with hf auth login and a token that "
            "may write there and run Jobs, and run the same command again."
        ) from error


class BucketCopy:
    """
    Copies in a bucket. This machine's folder is the original: what is deleted here is deleted there.

    Args:
        bucket (`str`): `ORG/NAME`; it is made if there is none, as a private one.
        output (`Path`): the folder that tasks write to.
        inputs (`Iterable[Path]`): folders and files that they read.

    Raises:
        ValueError: there is no bucket, or a folder lies in another.
    """

    def __init__(self, bucket: str | None, output: Path, inputs: Iterable[Path]):
        if bucket is None or bucket.count("/") != 1:
            raise ValueError(
                f"--cluster.bucket is {bucket!r}, expected ORG/NAME of a bucket of the Hub, through which Jobs get and return files."
            )
        self.bucket, self.api = bucket, HfApi()
        self.output = _absolute(output)
        paths = sorted({_absolute(path) for path in inputs})
        self.folders = [path for path in paths if path.is_dir()]
        self.files = [path for path in paths if path.is_file()]
        mounted = [self.output, *self.folders]
        for one in mounted:
            for other in mounted:
                if one in other.parents:
                    raise ValueError(
                        f"{str(other)!r} lies in {str(one)!r}, and Jobs need each folder by itself; move one of them."
                    )

    def address(self, path: Path) -> str:
        """Where the copy of a folder is."""
        return f"hf://buckets/{self.bucket}/{_key(_absolute(path))}"

    def within_output(self, path: Path) -> str:
        return _absolute(path).relative_to(self.output).as_posix()

    def send(self) -> None:
        """Makes the copies equal to what is here."""
        self.api.create_bucket(self.bucket, private=True, exist_ok=True)
        base = _key(ROOT)
        for name in _CODE:
            address = f"hf://buckets/{self.bucket}/{base}/code/{name}"
            self.api.sync_bucket(str(ROOT / name), address, delete=True, exclude=["*.pyc"], quiet=True)
        single: list[tuple[str | Path | bytes, str]] = [(ROOT / name, f"{base}/code/{name}") for name in _FILES]
        single += [(path, f"{base}/files/{_key(path)}") for path in self.files]
        self.api.batch_bucket_files(self.bucket, add=single)
        for folder in (*self.folders, self.output):
            self.api.sync_bucket(str(folder), self.address(folder), delete=True, quiet=True)

    def fetch(self) -> None:
        """Brings what Jobs have written to the output."""
        self.api.sync_bucket(self.address(self.output), str(self.output), quiet=True)

    def volumes(self) -> list[Volume]:
        """What Jobs mount: folders under their own paths."""
        code = Volume(type="bucket", source=self.bucket, mount_path=_MOUNT, path=_key(ROOT), read_only=True)
        folders = [self._volume(folder, read_only=True) for folder in self.folders]
        return [code, *folders, self._volume(self.output, read_only=False)]

    def _volume(self, folder: Path, read_only: bool) -> Volume:
        return Volume(type="bucket", source=self.bucket, mount_path=str(folder), path=_key(folder), read_only=read_only)

    def folders_of_output(self) -> list[str]:
        """Those that are there now."""
        return [folder for folder, *_ in os.walk(self.output)]

    def links(self) -> dict[str, str]:
        """Paths of single files, and what they are links to in a Job."""
        return {str(path): f"{_MOUNT}/files/{_key(path)}" for path in self.files}


def prepare_job(folders: list[str], links: dict[str, str], working_directory: str) -> None:
    """In a Job: makes folders, of which a bucket keeps only those that hold files, and lets paths mean what they do where the tasks come from."""
    for folder in (*folders, working_directory):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for path, target in links.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            os.symlink(target, path)
    os.chdir(working_directory)


class _Executor(JobsPipelineExecutor):
    """datatrove's, with volumes, and Jobs that end with the process that waits for them."""

    def __init__(self, *arguments: Any, volumes: list[Volume], **options: Any):
        super().__init__(*arguments, **options)
        self.volumes = volumes
        self.started: list[str] = []

    def _submit_array_index(self, array_index: int, pik_path: str, token: str) -> str:
        from datatrove.executor.jobs import ARRAY_INDEX_ENV_VAR

        job = HfApi().run_uv_job(
            "python",
            script_args=["-m", "datatrove.tools.launch_pickled_pipeline", pik_path],
            dependencies=self.dependencies,
            python=self.python,
            image=self.image,
            env={**(self.env or {}), ARRAY_INDEX_ENV_VAR: str(array_index)},
            secrets={**(self.secrets or {}), "HF_TOKEN": token},
            flavor=self.flavor,
            timeout=self.timeout,
            name=f"{self.job_name}-{array_index}",
            volumes=self.volumes,
            namespace=self.namespace,
            token=token,
        )
        logger.info(f"Job {array_index}: {job.url}")
        self.started.append(job.id)
        return job.id

    def _launch_and_wait(self, *arguments: Any) -> list[int]:
        try:
            return super()._launch_and_wait(*arguments)
        except BaseException:
            for job_id in self.started:
                with suppress(HfHubHTTPError):
                    HfApi().cancel_job(job_id=job_id, namespace=self.namespace)
            raise


@contextmanager
def _fetched(copy: BucketCopy) -> Iterator[None]:
    """Fetches from time to time, so that progress is seen and little is lost if this process is killed, and at the end."""

    def fetch_again() -> None:
        # The last fetch decides.
        with suppress(Exception):
            copy.fetch()

    try:
        with repeated(fetch_again, _SECONDS_BETWEEN_FETCHES):
            yield
    finally:
        copy.fetch()


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _key(path: Path) -> str:
    """A name for a path of this machine, without signs that an address reads otherwise; a file keeps its suffix."""
    digest = hashlib.sha256(f"{platform.node()}:{path}".encode()).hexdigest()[:16]
    return digest + (path.suffix if path.is_file() else "")


def _seconds(time: str) -> int:
    try:
        hours, minutes, seconds = map(int, time.split(":"))
    except ValueError as error:
        raise ValueError(f"--cluster.time is {time!r}, expected HH:MM:SS, such as 04:00:00.") from error
    return 3600 * hours + 60 * minutes + seconds
