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
"""Pushes a folder of embeddings to the Hub as a data set."""

import sys
from pathlib import Path

from huggingface_hub import CommitInfo, HfApi
from huggingface_hub.errors import HTTPError

import modeling_gair
from training.hub.push import explain
from training.hub.verify import check_no_local_paths

# What only this machine needs: paths, logs, and the index of a search.
_LOCAL = ("plan", "logs", "index")


def push_embeddings(folder: Path, repo: str, private: bool) -> CommitInfo:
    """
    Pushes what `training/embed.py` wrote in one commit, with its data card; files of an earlier push that are no more are deleted.

    Args:
        folder (`Path`): the folder.
        repo (`str`): the data set, as ORG/NAME; it is created if it does not exist.
        private (`bool`): whether it must be private.

    Raises:
        ValueError: a file names a path of this machine, or the Hub rejects the files or cannot be reached.
    """
    api = HfApi()
    check_no_local_paths(folder, [str(folder.resolve()), str(Path.home()), sys.prefix], leaving_out=_LOCAL)
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
            ignore_patterns=[f"{name}/*" for name in _LOCAL],
            delete_patterns=["embeddings/*", "items/*"],
            commit_message=f"Embeddings by GAIR for Hugging Face {modeling_gair.__version__}",
        )
    except (HTTPError, OSError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        raise ValueError(f"{explain(cause, repo, api.endpoint)} Nothing was committed to {repo!r}.") from error
