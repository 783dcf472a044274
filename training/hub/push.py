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
"""Pushes a folder to the Hub in one commit."""

from pathlib import Path

from huggingface_hub import CommitInfo, HfApi

# HTTPError is the common base of all failures of the Hub's client, whichever HTTP library it is built on.
from huggingface_hub.errors import HfHubHTTPError, HTTPError, RepositoryNotFoundError

import modeling_gair
from training.common.errors import first_line
from training.hub.example import EXAMPLE
from training.hub.gather import EXPORTS
from training.hub.options import ReleaseOptions

# Files of an earlier release, deleted if this one does not replace them.
_STALE = [
    "world-*.npy",
    "photos-*.npy",
    "*.safetensors",
    "*.safetensors.index.json",
    "*_gair*.py",
    f"{EXAMPLE}/*",
    *(f"{name}/*" for name in EXPORTS),
]


def push(options: ReleaseOptions, folder: Path) -> CommitInfo:
    """
    Pushes all files in one commit: if the upload fails, nothing is published. In a Space, files that `folder` lacks are
    deleted.

    Args:
        options ([`ReleaseOptions`]): the target repository and how to push to it.
        folder (`Path`): the files.

    Raises:
        ValueError: the Hub rejects the files, or can't be reached.
    """
    api, repo = HfApi(), options.target
    kind, sdk, stale = ("space", "gradio", ["*"]) if options.space else ("model", None, _STALE)
    try:
        if not options.pull_request:
            api.create_repo(repo, repo_type=kind, space_sdk=sdk, private=options.private or None, exist_ok=True)
        if options.private and not api.repo_info(repo, repo_type=kind).private:
            raise ValueError(
                f"--private was passed, but {repo!r} exists and is public; make it private first, or drop --private."
            )
        if options.branch:
            api.create_branch(repo, branch=options.branch, repo_type=kind, exist_ok=True)
        if options.space and options.model:
            # Before the files, so that the Space starts once, with its model.
            api.add_space_variable(repo, "GAIR_MODEL", options.model)
        return api.upload_folder(
            repo_id=repo,
            repo_type=kind,
            folder_path=folder,
            revision=options.branch,
            create_pr=options.pull_request,
            commit_message=f"Release by GAIR for Hugging Face {modeling_gair.__version__}",
            delete_patterns=stale,
        )
    except (HTTPError, OSError, RuntimeError) as error:
        # The client wraps the error that stopped the upload of a large file.
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        raise ValueError(f"{explain(cause, repo, api.endpoint)} Nothing was committed to {repo!r}.") from error


def explain(error: BaseException, repo: str, endpoint: str) -> str:
    """One sentence on why a push failed, and how to fix it."""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    if status in (401, 403) or isinstance(error, RepositoryNotFoundError):
        return (
            f"{repo!r} does not exist on the Hub at {endpoint}, or your token has no write access; run hf auth login, or set "
            "HF_TOKEN to a token with write access."
        )
    if status is not None:
        return f"The Hub at {endpoint} rejected the files: {first_line(error)}"
    return f"The connection to the Hub at {endpoint} failed ({first_line(error)}); run the same command again."
