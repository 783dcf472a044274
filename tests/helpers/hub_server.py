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
A small Hub on the loopback interface. It serves `huggingface_hub`, `transformers` and `datasets` over real HTTP: pushing models
and data sets, loading and streaming them, refusals and failures. Everything is held in memory.

    with HubServer() as hub:
        subprocess.run([...], env={**os.environ, **hub.environment(cache)})

The libraries read the variables of `environment` when they are imported, so set them before a process starts.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.helpers.hub_buckets import Buckets

TOKEN = "hf_of_the_loopback_hub"
# Stored outside git, as in the Hub's default .gitattributes.
_LARGE = (".safetensors", ".parquet", ".npz", ".tif", ".onnx", ".onnx.data", ".arrow", ".jpg", ".png")
_BEGINNING = "0" * 40
_KINDS = ("models", "datasets", "spaces")


@dataclass(frozen=True)
class StoredFile:
    """A file of a commit. As on the Hub, large files are addressed by their SHA-256, small ones by their git blob id."""

    content: bytes
    large: bool

    @property
    def blob_id(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.blob_id


@dataclass
class Repository:
    """
    A repository with its whole history.

    Attributes:
        private (`bool`): whether reading it needs a token.
        refs (`dict[str, str]`): branch, or `refs/pr/N` → commit.
        commits (`dict[str, dict[str, StoredFile]]`): commit → its files by path.
        variables (`dict[str, str]`): of a Space.
    """

    private: bool
    refs: dict[str, str] = field(default_factory=lambda: {"main": _BEGINNING})
    commits: dict[str, dict[str, StoredFile]] = field(default_factory=lambda: {_BEGINNING: {}})
    variables: dict[str, str] = field(default_factory=dict)

    def files(self, revision: str = "main") -> dict[str, StoredFile]:
        """The files of a branch or commit; raises a `KeyError` if it does not exist."""
        return self.commits[self.commit_of(revision)]

    def commit_of(self, revision: str) -> str:
        return revision if revision in self.commits else self.refs[revision]

    def commit(self, ref: str, files: dict[str, StoredFile]) -> str:
        listed = sorted((path, file.etag) for path, file in files.items())
        sha = hashlib.sha1(repr((self.refs[ref], listed)).encode()).hexdigest()
        self.commits[sha], self.refs[ref] = files, sha
        return sha


@dataclass
class Fault:
    """How requests fail, see [`HubServer.fault`]; `times` counts down."""

    kind: str
    method: str
    pattern: str
    times: int


class HubServer:
    """
    The server; a context manager.

    Attributes:
        url (`str`): what `HF_ENDPOINT` must be.
        repositories (`dict[tuple[str, str], Repository]`): (`models`, `datasets` or `spaces`; `ORG/NAME`) → repository.
        requests (`list[str]`): method and path of all requests so far.
        buckets ([`Buckets`]): its buckets and Jobs.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[str] = []
        self.uploads: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.buckets = Buckets(self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "HubServer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.buckets.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def environment(self, cache: Path, token: bool = True) -> dict[str, str]:
        """Environment variables for a process that uses this Hub, with its own cache, and with or without a token."""
        variables = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(cache),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        # An empty token counts as no token.
        return variables | {"HF_TOKEN": TOKEN if token else ""}

    def repository(self, name: str, kind: str = "models") -> Repository:
        return self.repositories[kind, name]

    @contextmanager
    def fault(self, kind: str, method: str, pattern: str, times: int = 1_000_000) -> Iterator[None]:
        """
        Requests fail while this lasts.

        Args:
            kind (`str`): `"cut"` closes the connection in the middle of the body; `"short"` sends half a file as if it were
                all of it.
            method, pattern (`str`): of which requests; a regular expression that is searched in the path.
            times (`int`): how many of them at most.
        """
        fault = Fault(kind, method, pattern, times)
        self.faults.append(fault)
        try:
            yield
        finally:
            self.faults.remove(fault)


class _Refusal(Exception):
    def __init__(self, status: int, code: str, message: str):
        self.status, self.code, self.message = status, code, message


class _Cut(Exception):
    """The connection is closed without an answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    # Requests -----------------------------------------------------------------------------------------------------------

    def do_GET(self) -> None:
        self._answer(b"")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        try:
            if self._fault() == "cut":
                self.rfile.read(length // 2)
                raise _Cut
            self._answer(self._chunks() if self.headers.get("Transfer-Encoding") else self.rfile.read(length))
        except _Cut:
            self.close_connection = True

    do_PUT = do_DELETE = do_POST

    def _chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    @property
    def hub(self) -> HubServer:
        return self.server.hub  # type: ignore[attr-defined]

    def _fault(self) -> str | None:
        path = unquote(self.path.partition("?")[0])
        for fault in self.hub.faults:
            if fault.times and fault.method == self.command and re.search(fault.pattern, path):
                fault.times -= 1
                return fault.kind
        return None

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        # Unquoted part by part: a slash inside a revision is quoted.
        parts = [unquote(part) for part in path.strip("/").split("/")]
        self.hub.requests.append(f"{self.command} {path}")
        try:
            with self.hub.lock:
                respond = self._route(parts, parse_qs(query), body)
            respond()
        except _Refusal as refusal:
            headers = {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message}
            self._send(json.dumps({"error": refusal.message}).encode(), headers, refusal.status)
        except (BrokenPipeError, ConnectionResetError):
            # The client closed the connection.
            self.close_connection = True

    def _route(self, parts: list[str], query: dict[str, list[str]], body: bytes) -> Any:
        if parts[0] in ("xet", "buckets") or parts[:2] in (["api", "buckets"], ["api", "jobs"]):
            return self._of_buckets(parts, body)
        if parts[0] == "api":
            return self._api(parts[1:], query, body)
        if parts[0] == "upload" and self.command == "PUT":
            self.hub.uploads[parts[1]] = body
            return lambda: self._send(b"", {"ETag": f'"{parts[1]}"'})
        if parts[0] == "verify":
            return lambda: self._send_json({})
        kind = parts.pop(0) if parts[0] in _KINDS[1:] else "models"
        if parts[2:] == ["info", "lfs", "objects", "batch"]:
            self._authorize()
            return lambda: self._send_json(self._places_for(json.loads(body)))
        if len(parts) > 4 and parts[2] == "resolve":
            return self._resolve(kind, f"{parts[0]}/{parts[1]}", parts[3], "/".join(parts[4:]))
        raise _Refusal(404, "", f"The loopback Hub does not know {self.command} {self.path}.")

    def _of_buckets(self, parts: list[str], body: bytes) -> Any:
        if parts[0] != "xet":
            self._authorize()
        answer = self.hub.buckets.answer(self.command, parts, body)
        if answer is None:
            raise _Refusal(404, "", f"The loopback Hub does not know {self.command} {self.path}.")
        status, headers, value = answer
        if isinstance(value, bytes):
            return lambda: self._send_file(value, headers)
        return lambda: self._send(json.dumps(value).encode(), {"Content-Type": "application/json", **headers}, status)

    # The API ------------------------------------------------------------------------------------------------------------

    def _api(self, parts: list[str], query: dict[str, list[str]], body: bytes) -> Any:
        if parts == ["repos", "create"]:
            return self._create(json.loads(body))
        if parts == ["validate-yaml"]:
            return lambda: self._send_json({"errors": [], "warnings": []})
        if parts == ["whoami-v2"]:
            self._authorize()
            return lambda: self._send_json({"type": "user", "name": "loopback", "orgs": [], "auth": {}})
        kind, name, rest = parts[0], "/".join(parts[1:3]), parts[3:]
        repository = self._repository(kind, name)
        if self.command == "GET" and (not rest or rest[0] == "revision"):
            return self._info(repository, name, rest[1] if rest else "main")
        if self.command == "GET" and rest[0] == "refs":
            branches = [{"name": ref, "ref": f"refs/heads/{ref}", "targetCommit": sha} for ref, sha in repository.refs.items()]  # fmt: skip
            return lambda: self._send_json({"branches": branches, "tags": [], "converts": []})
        if rest[0] == "tree":
            return self._tree(repository, rest[1], "/".join(rest[2:]), "true" in [v.lower() for v in query.get("recursive", [])])  # fmt: skip
        if rest[0] == "paths-info":
            return self._paths_info(repository, rest[1], body)
        self._authorize()
        if rest[0] == "variables":
            asked = json.loads(body)
            repository.variables[asked["key"]] = asked["value"]
            return lambda: self._send_json({key: {"value": value} for key, value in repository.variables.items()})
        if rest[0] == "preupload":
            return self._preupload(repository, rest[1], json.loads(body))
        if rest[0] == "branch":
            return self._branch(repository, rest[1], json.loads(body or b"{}"))
        if rest[0] == "commit":
            return self._commit(repository, name, rest[1], body, "create_pr" in query)
        raise _Refusal(404, "", f"The loopback Hub does not know {self.command} {self.path}.")

    def _authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _authorize(self) -> None:
        if not self._authorized():
            raise _Refusal(401, "", "Invalid username or password.")

    def _repository(self, kind: str, name: str) -> Repository:
        repository = self.hub.repositories.get((kind, name))
        # Without a token, a private repository does not exist, and the answer asks for one.
        if repository is None or (repository.private and not self._authorized()):
            raise _Refusal(404 if self._authorized() else 401, "RepoNotFound", "Repository not found")
        return repository

    def _commit_of(self, repository: Repository, revision: str) -> str:
        try:
            return repository.commit_of(revision)
        except KeyError:
            raise _Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}") from None

    def _create(self, asked: dict[str, Any]) -> Any:
        self._authorize()
        name, kind = f"{asked['organization']}/{asked['name']}", f"{asked.get('type') or 'model'}s"
        address = {"url": f"{self.hub.url}/{name}", "name": name, "id": name}
        if (kind, name) in self.hub.repositories:
            return lambda: self._send_json({"error": "You already created this repo", **address}, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repositories[kind, name] = Repository(private)
        return lambda: self._send_json(address)

    def _info(self, repository: Repository, name: str, revision: str) -> Any:
        sha = self._commit_of(repository, revision)
        info = {
            "id": name,
            "sha": sha,
            "private": repository.private,
            "siblings": [{"rfilename": path} for path in sorted(repository.commits[sha])],
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "lastModified": "2026-01-01T00:00:00.000Z",
        }
        return lambda: self._send_json(info)

    def _tree(self, repository: Repository, revision: str, folder: str, recursive: bool) -> Any:
        files = repository.commits[self._commit_of(repository, revision)]
        prefix = f"{folder}/" if folder else ""
        inside = {path: file for path, file in files.items() if path.startswith(prefix)}
        if folder and not inside:
            raise _Refusal(404, "EntryNotFound", f"{folder} does not exist on {revision}")
        entries = [
            _file_entry(path, file) for path, file in inside.items() if recursive or "/" not in path[len(prefix) :]
        ]
        folders = {prefix + path[len(prefix) :].split("/")[0] for path in inside if "/" in path[len(prefix) :]}
        if recursive:
            folders = {"/".join(path.split("/")[:depth]) for path in inside for depth in range(1, path.count("/") + 1)}
        entries += [{"type": "directory", "oid": _BEGINNING, "size": 0, "path": path} for path in folders]
        return lambda: self._send_json(sorted(entries, key=lambda entry: entry["path"]))

    def _paths_info(self, repository: Repository, revision: str, body: bytes) -> Any:
        files = repository.commits[self._commit_of(repository, revision)]
        if "json" in self.headers.get("Content-Type", ""):
            paths = json.loads(body)["paths"]
        else:
            paths = parse_qs(body.decode()).get("paths", [])
        entries: list[dict[str, Any]] = []
        for path in [paths] if isinstance(paths, str) else paths:
            if path in files:
                entries.append(_file_entry(path, files[path]))
            elif any(name.startswith(f"{path}/") for name in files):
                entries.append({"type": "directory", "oid": _BEGINNING, "size": 0, "path": path})
        return lambda: self._send_json(entries)

    # Writing ------------------------------------------------------------------------------------------------------------

    def _preupload(self, repository: Repository, revision: str, asked: dict[str, Any]) -> Any:
        files = repository.commits[self._commit_of(repository, revision)]
        modes = []
        for file in asked["files"]:
            known = files.get(file["path"])
            mode = "lfs" if file["path"].endswith(_LARGE) else "regular"
            oid = known.etag if known else None
            modes.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return lambda: self._send_json({"files": modes})

    def _places_for(self, asked: dict[str, Any]) -> dict[str, Any]:
        objects = []
        for wanted in asked["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.uploads:
                upload = {"href": f"{self.hub.url}/upload/{wanted['oid']}"}
                answer["actions"] = {"upload": upload, "verify": {"href": f"{self.hub.url}/verify"}}
            objects.append(answer)
        return {"transfer": "basic", "objects": objects}

    def _branch(self, repository: Repository, name: str, asked: dict[str, Any]) -> Any:
        if name in repository.refs:
            raise _Refusal(409, "", f"Reference already exists: {name}")
        repository.refs[name] = self._commit_of(repository, asked.get("startingPoint") or "main")
        return lambda: self._send_json({}, 201)

    def _commit(self, repository: Repository, name: str, revision: str, body: bytes, pull_request: bool) -> Any:
        files = dict(repository.commits[self._commit_of(repository, revision)])
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = StoredFile(base64.b64decode(value["content"]), False)
            elif operation["key"] == "lfsFile":
                content = self.hub.uploads.get(value["oid"])
                if content is None or hashlib.sha256(content).hexdigest() != value["oid"]:
                    raise _Refusal(400, "", f"{value['path']} was not uploaded whole.")
                files[value["path"]] = StoredFile(content, True)
            elif operation["key"] in ("deletedFile", "deletedFolder"):
                gone = value["path"].rstrip("/")
                files = {path: file for path, file in files.items() if path != gone and not path.startswith(f"{gone}/")}
            elif operation["key"] != "header":
                raise _Refusal(400, "", f"The loopback Hub does not know the operation {operation['key']}.")
        answer: dict[str, Any] = {"success": True}
        if pull_request:
            number = 1 + sum(ref.startswith("refs/pr/") for ref in repository.refs)
            repository.refs[f"refs/pr/{number}"] = repository.commit_of(revision)
            revision = f"refs/pr/{number}"
            answer["pullRequestUrl"] = f"{self.hub.url}/{name}/discussions/{number}"
        elif revision not in repository.refs:
            raise _Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        sha = repository.commit(revision, files)
        answer |= {"commitOid": sha, "commitUrl": f"{self.hub.url}/{name}/commit/{sha}"}
        return lambda: self._send_json(answer)

    # Reading ------------------------------------------------------------------------------------------------------------

    def _resolve(self, kind: str, name: str, revision: str, path: str) -> Any:
        repository = self._repository(kind, name)
        sha = self._commit_of(repository, revision)
        file = repository.commits[sha].get(path)
        if file is None:
            raise _Refusal(404, "EntryNotFound", f"{path} does not exist on {revision}")
        headers = {"X-Repo-Commit": sha, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.large:
            headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(len(file.content))}
        return lambda: self._send_file(file.content, headers)

    def _send_file(self, content: bytes, headers: dict[str, str]) -> None:
        status, fault = 200, self._fault()
        if fault == "short":
            content = content[: len(content) // 2]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
            headers = headers | {"Content-Range": f"bytes {first}-{min(last, len(content) - 1)}/{len(content)}"}
            content, status = content[first : last + 1], 206
        self._send(content, headers, status, cut=fault == "cut")

    def _send_json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), {"Content-Type": "application/json"}, status)

    def _send(self, body: bytes, headers: dict[str, str], status: int = 200, cut: bool = False) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests read `requests`; nothing is printed."""


def _file_entry(path: str, file: StoredFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.blob_id, "size": len(file.content), "path": path}
    if file.large:
        entry["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": 134}
    return entry
