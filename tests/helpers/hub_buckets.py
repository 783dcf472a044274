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
Buckets and Jobs of the loopback Hub. Clients upload and download with the `hf_xet` of `tests/helpers/xet`. A Job is a process of this machine in
a mount namespace of its own: of a hidden folder it sees its volumes and nothing else. The bucket has what it has written when it ends.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Answer = tuple[int, dict[str, str], Any]
_MOUNTED = """
set -e
mount -t tmpfs none "$1"
mount -t tmpfs none /mnt
shift
while [ "$1" != -- ]; do mkdir -p "$2"; mount --bind "$1" "$2"; shift 2; done
shift
cd /
exec "$@"
"""


@dataclass(frozen=True)
class BucketFile:
    """Content by its hash, and when it was changed, in milliseconds."""

    hash: str
    size: int
    mtime: int


@dataclass
class Job:
    """A Job: what was asked for, where it stands, and what it printed."""

    asked: dict[str, Any]
    stage: str = "SCHEDULING"
    output: str = ""
    process: subprocess.Popen | None = None


class Buckets:
    """
    The buckets and Jobs of a Hub.

    Args:
        url (`str`): address of the Hub.

    Attributes:
        hidden (`Path`): a folder of which Jobs see their volumes only; set it before the first Job.
        environment (`dict[str, str]`): of all Jobs, besides their own.
        failing (`int`): so many of the next Jobs fail before they begin.
        files (`dict[str, dict[str, BucketFile]]`): bucket → its files by path.
        jobs (`dict[str, Job]`): all Jobs so far.
    """

    def __init__(self, url: str):
        self.url, self.failing = url, 0
        self.hidden: Path | None = None
        self.environment: dict[str, str] = {}
        self.files: dict[str, dict[str, BucketFile]] = {}
        self.jobs: dict[str, Job] = {}
        self.contents: dict[str, bytes] = {}
        self.threads: list[threading.Thread] = []

    def close(self) -> None:
        for job in self.jobs.values():
            if job.process is not None:
                job.process.kill()
        for thread in self.threads:
            thread.join()

    def answer(self, method: str, parts: list[str], body: bytes) -> Answer | None:
        """Status, headers, and JSON or bytes for a request that is authorized; None if it is not known."""
        if parts[0] == "xet":
            if method == "PUT":
                assert hashlib.sha256(body).hexdigest() == parts[1]
                self.contents[parts[1]] = body
            return 200, {}, self.contents[parts[1]] if method == "GET" else b""
        if parts[0] == "buckets" and parts[3:4] == ["resolve"]:
            return self._resolved("/".join(parts[1:3]), "/".join(parts[4:]))
        if parts[:2] == ["api", "buckets"]:
            return self._bucket(method, "/".join(parts[2:4]), parts[4:], body)
        if parts[:2] == ["api", "jobs"]:
            return self._job(method, parts[2], parts[3:], body)
        return None

    # Buckets ------------------------------------------------------------------------------------------------------------

    def _bucket(self, method: str, bucket: str, rest: list[str], body: bytes) -> Answer | None:
        if method == "POST" and not rest:
            status = 409 if bucket in self.files else 200
            self.files.setdefault(bucket, {})
            return status, {}, {"url": f"{self.url}/buckets/{bucket}"}
        if bucket not in self.files:
            return 404, {"X-Error-Code": "RepoNotFound"}, {"error": "Bucket not found"}
        files = self.files[bucket]
        if not rest:
            about = {"size": sum(file.size for file in files.values()), "totalFiles": len(files)}
            return 200, {}, {"id": bucket, "private": True, "createdAt": _iso(0), **about}
        if rest[0].endswith("-token"):
            return 200, {}, {"casUrl": f"{self.url}/xet", "accessToken": "token", "exp": 4_000_000_000}
        if rest[0] == "tree":
            below = "/".join(rest[1:])
            found = [path for path in sorted(files) if not below or path == below or path.startswith(f"{below}/")]
            return 200, {}, [_entry(path, files[path]) for path in found]
        if rest[0] == "paths-info":
            return 200, {}, [_entry(path, files[path]) for path in json.loads(body)["paths"] if path in files]
        if rest[0] == "batch":
            for operation in map(json.loads, body.splitlines()):
                if operation["type"] == "deleteFile":
                    files.pop(operation["path"], None)
                else:
                    name = operation["xetHash"]
                    files[operation["path"]] = BucketFile(name, len(self.contents[name]), operation["mtime"])
            return 200, {}, {"failed": []}
        return None

    def _resolved(self, bucket: str, path: str) -> Answer:
        file = self.files.get(bucket, {}).get(path)
        if file is None:
            return 404, {"X-Error-Code": "EntryNotFound"}, {"error": f"{path} does not exist"}
        route = f"{self.url}/api/buckets/{bucket}/xet-read-token"
        headers = {"X-Xet-Hash": file.hash, "X-Xet-Refresh-Route": route, "X-Linked-Size": str(file.size)}
        return 200, headers, self.contents[file.hash]

    # Jobs ---------------------------------------------------------------------------------------------------------------

    def _job(self, method: str, owner: str, rest: list[str], body: bytes) -> Answer | None:
        if method == "POST" and not rest:
            name, job = f"job{len(self.jobs)}", Job(json.loads(body))
            self.jobs[name] = job
            if self.failing:
                self.failing, job.stage = self.failing - 1, "ERROR"
            else:
                self.threads.append(threading.Thread(target=self._run, args=(job,)))
                self.threads[-1].start()
            return 200, {}, self._told(owner, name)
        if not rest or rest[0] not in self.jobs:
            return None
        if rest[1:] == ["cancel"]:
            job = self.jobs[rest[0]]
            job.stage = "CANCELED"
            if job.process is not None:
                job.process.kill()
        return 200, {}, self._told(owner, rest[0])

    def _told(self, owner: str, name: str) -> dict[str, Any]:
        job = self.jobs[name]
        return {
            "id": name,
            "status": {"stage": job.stage},
            "owner": {"id": owner, "name": owner, "type": "org"},
            **{key: job.asked[key] for key in ("command", "environment", "flavor", "dockerImage")},
        }

    def _run(self, job: Job) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="gair-job-", dir="/var/tmp") as folder:
                self._run_in(Path(folder), job)
        except BaseException as error:
            job.output += repr(error)
            job.stage = "ERROR"
            raise

    def _run_in(self, folder: Path, job: Job) -> None:
        volumes, binds, seen = job.asked["volumes"], [], []
        for number, volume in enumerate(volumes):
            mounted = folder / str(number)
            mounted.mkdir()
            seen.append(self._mounted(volume, mounted))
            binds += [str(mounted), volume["mountPath"]]
        # uv would make an environment with the packages; here it is the one of this process.
        command = job.asked["command"]
        assert command[:2] == ["uv", "run"]
        command = [sys.executable, *command[command.index("python", 2) + 1 :]]
        namespace = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-Urm"]
        environment = {**self.environment, **job.asked["environment"], **job.asked["secrets"]}
        environment["PYTHONPATH"] = os.pathsep.join(
            [environment.get("PYTHONPATH", ""), str(Path(__file__).parent / "xet")]
        )
        job.process = subprocess.Popen(
            [*namespace, "sh", "-c", _MOUNTED, "sh", str(self.hidden), *binds, "--", *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if job.stage == "SCHEDULING":
            job.stage = "RUNNING"
        job.output, _ = job.process.communicate()
        for number, volume in enumerate(volumes):
            self._written(volume, folder / str(number), seen[number])
        if job.stage == "RUNNING":
            job.stage = "ERROR" if job.process.returncode else "COMPLETED"

    def _mounted(self, volume: Mapping[str, Any], folder: Path) -> dict[Path, int]:
        """Puts the files of a volume into a folder; returns when they were changed."""
        seen = {}
        for path, file in dict(self.files[volume["source"]]).items():
            if path.startswith(f"{volume['path']}/"):
                target = folder / path.removeprefix(f"{volume['path']}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.contents[file.hash])
                os.utime(target, ns=(file.mtime * 1_000_000,) * 2)
                seen[target] = target.stat().st_mtime_ns
        return seen

    def _written(self, volume: Mapping[str, Any], folder: Path, seen: Mapping[Path, int]) -> None:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            changed = path.stat().st_mtime_ns
            if changed == seen.get(path):
                continue
            assert not volume["readOnly"], f"{path} was written, but {volume['mountPath']} is read-only."
            content = path.read_bytes()
            name = hashlib.sha256(content).hexdigest()
            self.contents[name] = content
            place = f"{volume['path']}/{path.relative_to(folder).as_posix()}"
            self.files[volume["source"]][place] = BucketFile(name, len(content), changed // 1_000_000)


def can_run_jobs() -> bool:
    """Whether this machine lets a process mount what it alone sees."""
    if shutil.which("unshare") is None:
        return False
    flags = ["-m"] if os.getuid() == 0 else ["-Urm"]
    return (
        subprocess.run(["unshare", *flags, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    )


def _entry(path: str, file: BucketFile) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": file.size, "xetHash": file.hash, "mtime": _iso(file.mtime)}


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
