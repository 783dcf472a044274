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
"""Pushing a folder of data to the Hub in one commit."""

import sys
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import CommitInfo, HfApi
from huggingface_hub.errors import HTTPError

import modeling_gair
from training.hub.push import explain
from training.hub.verify import check_no_local_paths


def push_data(
    folder: Path, repo: str, private: bool, what: str, stale: Sequence[str], local: Sequence[str] = ()
) -> CommitInfo:
    """
    Pushes a folder with its data card in one commit; the repository is created if it does not exist.

    Args:
        folder (`Path`): the folder.
        repo (`str`): the data set, as ORG/NAME.
        private (`bool`): whether it must be private.
        what (`str`): what it is, for the message of the commit.
        stale (`Sequence[str]`): patterns of files of an earlier push, deleted if they are no more.
        local (`Sequence[str]`): folders inside that only this machine needs.

    Raises:
        ValueError: a file names a path of this machine, or the Hub rejects the files or cannot be reached.
    """
    api = HfApi()
    check_no_local_paths(folder, [str(folder.resolve()), str(Path.home()), sys.prefix], leaving_out=local)
    try:
        api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        if private and not api.repo_info(repo, repo_type="dataset").private:
            raise ValueError(
                f"--private was passed, but {repo!r} exists and is public; make it private first, or drop --private."
            )
        return api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            ignore_patterns=[f"{name}/*" for name in local],
            delete_patterns=list(stale),
            commit_message=f"{what} by GAIR for Hugging Face {modeling_gair.__version__}",
        )
    except (HTTPError, OSError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        raise ValueError(f"{explain(cause, repo, api.endpoint)} Nothing was committed to {repo!r}.") from error
