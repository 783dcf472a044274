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

from pathlib import Path

from huggingface_hub import CommitInfo

from training.hub.push_data import push_data

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
    return push_data(folder, repo, private, "Embeddings", stale=["embeddings/*", "items/*"], local=_LOCAL)
