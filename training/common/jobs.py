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
Many tasks on one machine or a cluster, by datatrove: one task is one file, whoever runs it. A completed task leaves a marker, so
that the same command, run again, does only the rest.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from tqdm.auto import tqdm

from training.common.files import write_atomically
from training.common.workers import end_with

ROOT = Path(__file__).parents[2]
Executor = Literal["local", "slurm", "ray", "jobs"]
_COMPLETIONS, _PROGRESS = "completions", "progress"
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_REPORTS = 1.0


@dataclass
class ClusterSettings:
    """
    What a task asks of a cluster (Slurm, Ray, or Hugging Face Jobs).

    Attributes:
        partition: partition of Slurm
        bucket: bucket of the Hub, as ORG/NAME, through which Hugging Face Jobs of ORG get and return files
        flavor: hardware of a Hugging Face Job, as hf jobs hardware lists it
        image: Docker image of a Hugging Face Job, with uv in it (default: that of huggingface_hub)
        time: limit of a job of Slurm or Hugging Face, as HH:MM:SS
        cpus: CPU cores of a task of Slurm or Ray
        memory_gb: GB of memory of each core, of Slurm or Ray
        gpus: GPUs of a task of Slurm or Ray
        tasks_per_job: tasks that a job of Slurm or Hugging Face does one after the other, with one loading of the model
    """

    partition: str | None = None
    bucket: str | None = None
    flavor: str = "cpu-basic"
    image: str | None = None
    time: str = "04:00:00"
    cpus: int = 1
    memory_gb: int = 2
    gpus: int = 0
    tasks_per_job: int = 1


@dataclass(frozen=True)
class Needs:
    """
    What tasks need of this machine, for machines that do not see it.

    Attributes:
        output (`Path`): the folder that tasks write to.
        inputs (`list[Path]`): folders and files that tasks read besides.
        secrets (`tuple[str, ...]`): names of environment variables that tasks read, and that are written nowhere.
    """

    output: Path
    inputs: list[Path] = field(default_factory=list)
    secrets: tuple[str, ...] = ()


class Tasks:
    """
    The tasks of a job and the folder of their markers and logs, which all machines of a cluster must see.

    Args:
        task (`Callable[[int], None]`): does task number `rank`. It must be picklable: a function of a module, or a
            `functools.partial` of one.
        sizes (`Sequence[int]`): number of items of each task, for the progress bar.
        folder (`Path`): of markers and logs.
        description (`str`): what the progress bar says that is done.
        needs ([`Needs`]): what tasks need of this machine.
        remark (`Callable[[], str]`, *optional*): gives what the progress bar says beside the rate.
    """

    def __init__(
        self,
        task: Callable[[int], None],
        sizes: Sequence[int],
        folder: Path,
        description: str,
        needs: Needs,
        remark: Callable[[], str] | None = None,
    ):
        self.task, self.sizes, self.folder = task, sizes, folder
        self.description, self.needs, self.remark = description, needs, remark

    def incomplete(self) -> list[int]:
        """The tasks without a marker."""
        done = _completed(self.folder)
        return [rank for rank in range(len(self.sizes)) if rank not in done]

    def run(self, executor: Executor, workers: int, cluster: ClusterSettings, unit: str) -> list[int]:
        """
        Does the incomplete tasks.

        Args:
            executor (`str`): `"local"`: processes on this machine; `"slurm"`: submits a job array and returns; `"ray"`: the
                cluster of `RAY_ADDRESS`, or one that is started on this machine; `"jobs"`: Hugging Face Jobs.
            workers (`int`): number of tasks at a time.
            cluster ([`ClusterSettings`]): for all but `"local"`.
            unit (`str`): what the items are called in the progress bar.

        Returns:
            The tasks that are incomplete still: of Slurm, those that were submitted; of Ray and Jobs, those that failed.

        Raises:
            ValueError: a task raised one (on this machine), or the executor cannot be used.
        """
        if not (left := self.incomplete()):
            return []
        self.folder.mkdir(parents=True, exist_ok=True)
        if executor == "slurm":
            self._slurm(workers, cluster).run()
        else:
            run = self._engine(executor, min(workers, len(left)), cluster)
            with _progress_bar(self, unit):
                run()
        return self.incomplete()

    def _engine(self, executor: Executor, workers: int, cluster: ClusterSettings) -> Callable[[], Any]:
        if executor == "jobs":
            from training.common.hub_jobs import run_on_the_hub

            return partial(run_on_the_hub, self, workers, cluster)
        return self._local(workers).run if executor == "local" else self._ray(workers, cluster).run

    def _local(self, workers: int) -> Any:
        from datatrove.executor import LocalPipelineExecutor
        from loguru import logger

        # It reports errors with their traceback; here they are raised.
        logger.disable("datatrove")
        _end_forks_with(os.getpid())
        return LocalPipelineExecutor(self.pipeline(workers), len(self.sizes), workers, str(self.folder))

    def _slurm(self, workers: int, cluster: ClusterSettings) -> Any:
        from datatrove.executor import SlurmPipelineExecutor

        if not cluster.partition:
            raise ValueError("--cluster.partition is missing; pass a partition of Slurm, as sinfo lists them.")
        return SlurmPipelineExecutor(
            self.pipeline(),
            tasks=len(self.sizes),
            time=cluster.time,
            partition=cluster.partition,
            cpus_per_task=cluster.cpus,
            mem_per_cpu_gb=cluster.memory_gb,
            gpus_per_task=cluster.gpus,
            tasks_per_job=cluster.tasks_per_job,
            workers=workers,
            job_name=self.folder.parent.name,
            qos="",
            logging_dir=str(self.folder.resolve()),
            env_command=f'export PATH="{Path(sys.executable).parent}:$PATH" PYTHONPATH="{ROOT}:$PYTHONPATH"',
        )

    def _ray(self, workers: int, cluster: ClusterSettings) -> Any:
        try:
            import ray
        except ImportError as error:
            raise ValueError("--executor ray needs Ray, which is not installed: run pip install ray.") from error
        from datatrove.executor import RayPipelineExecutor
        from loguru import logger

        logger.disable("datatrove")
        if not ray.is_initialized():
            # Workers on a busy machine take long to start.
            os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
            own: dict[str, Any] = {} if "RAY_ADDRESS" in os.environ else {"include_dashboard": False}
            environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
            ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment, **own)
        return RayPipelineExecutor(
            self.pipeline(),
            tasks=len(self.sizes),
            workers=workers,
            logging_dir=str(self.folder.resolve()),
            cpus_per_task=cluster.cpus,
            mem_per_cpu_gb=cluster.memory_gb,
            gpus_per_task=cluster.gpus,
        )

    def pipeline(self, processes: int | None = None, prepare: Callable[[], None] | None = None) -> list[Any]:
        """The pipeline of datatrove that does a task, on one of `processes` on this machine, or elsewhere after `prepare()`."""
        return [_Step(self.task, self.folder, processes, prepare)]


def completion_marker(folder: Path, rank: int) -> Path:
    """The marker that a completed task leaves in `folder`; without it, the task is done again."""
    return folder / _COMPLETIONS / f"{rank:05d}"


def report_progress(folder: Path, rank: int, items: int) -> None:
    """Tells the progress bar how many items of a running task are done."""
    # A bar that lags behind is no reason to end a task.
    with suppress(OSError):
        write_atomically(folder / _PROGRESS / f"{rank:05d}", str(items))


class TaskProgress:
    """
    Counts the items of a running task, and reports them about once a second.

    Args:
        folder (`Path`): of markers and logs.
        rank (`int`): the task.
    """

    def __init__(self, folder: Path, rank: int):
        self.items = 0
        self._folder, self._rank, self._reported = folder, rank, time.monotonic()

    def add(self, items: int) -> None:
        """Counts further items."""
        self.items += items
        if time.monotonic() - self._reported > _SECONDS_BETWEEN_REPORTS:
            report_progress(self._folder, self._rank, self.items)
            self._reported = time.monotonic()


class _Step:
    """
    A pipeline of datatrove of one step: a task. `processes` is the number of processes on this machine, if it is known; `prepare` is
    called before the task.
    """

    def __init__(
        self,
        task: Callable[[int], None],
        folder: Path,
        processes: int | None,
        prepare: Callable[[], None] | None,
    ):
        self.task, self.folder, self.processes, self.prepare = task, folder, processes, prepare

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In a worker process, which unpickles the step before each task."""
        self.__dict__.update(state)
        if self.processes is not None:
            _settle(self.processes)

    def __call__(self, data: Any, rank: int, world_size: int) -> None:
        if self.prepare is not None:
            self.prepare()
        (self.folder / _PROGRESS).mkdir(exist_ok=True)
        self.task(rank)
        (self.folder / _PROGRESS / f"{rank:05d}").unlink(missing_ok=True)


def _settle(processes: int) -> None:
    """
    Makes this process a worker on this machine: it ends with the process that started it, for whatever reason, leaves Ctrl-C
    to it, and takes its share of the cores.
    """
    import multiprocess
    from loguru import logger

    parent = multiprocess.parent_process()
    if parent is None or any(thread.name == _settle.__name__ for thread in threading.enumerate()):
        return
    logger.disable("datatrove")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(parent,), name=_settle.__name__, daemon=True).start()
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))


@cache
def _end_forks_with(parent: int) -> None:
    """Makes forks of this process, such as datatrove's manager of queues, end with it even if it is killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    os.register_at_fork(after_in_child=lambda: threading.Thread(target=watch, daemon=True).start())


@contextmanager
def _progress_bar(tasks: Tasks, unit: str) -> Iterator[None]:
    """A bar with the rate and the time left, from the markers and reports of all workers."""
    folder, sizes = tasks.folder, tasks.sizes
    done = sum(sizes[rank] for rank in _completed(folder))
    with tqdm(
        total=sum(sizes), initial=done, unit=unit, unit_scale=True, desc=tasks.description, smoothing=0.05
    ) as bar:

        def update() -> None:
            if tasks.remark is not None:
                bar.set_postfix_str(tasks.remark(), refresh=False)
            bar.update(max(0, _items_done(folder, sizes) - bar.n))

        try:
            with repeated(update, _SECONDS_BETWEEN_LOOKS):
                yield
        finally:
            update()


@contextmanager
def repeated(action: Callable[[], None], seconds: float) -> Iterator[None]:
    """Calls `action` in a thread of its own, each time after so many seconds, until the block ends."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            action()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _completed(folder: Path) -> set[int]:
    markers = folder / _COMPLETIONS
    return {int(name) for name in os.listdir(markers) if name.isdecimal()} if markers.is_dir() else set()


def _items_done(folder: Path, sizes: Sequence[int]) -> int:
    completed = _completed(folder)
    done = sum(sizes[rank] for rank in completed)
    with suppress(OSError):
        for path in (folder / _PROGRESS).iterdir():
            if path.name.isdecimal() and int(path.name) not in completed:
                with suppress(OSError, ValueError):
                    done += int(path.read_text(encoding="utf-8"))
    return done
