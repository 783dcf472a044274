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
"""Pushing street pairs to the Hub."""

from pathlib import Path

from datasets import load_dataset_builder
from huggingface_hub import CommitInfo

from training.hub.push_data import push_data
from training.street_pairs.packing.shards import DATA, DATASET


def push_street_pairs(output: Path, repo: str, private: bool) -> CommitInfo:
    """
    Pushes what `training/streetscapes.py` wrote in one commit, after `datasets` has opened it as others will; files of an earlier push that
    are no more are deleted.

    Args:
        output (`Path`): the folder of the job.
        repo (`str`): the data set, as ORG/NAME; it is created if it does not exist.
        private (`bool`): whether it must be private.

    Raises:
        ValueError: a file names a path of this machine, or the Hub rejects the files or cannot be reached.
    """
    folder = output / DATASET
    load_dataset_builder(str(folder))
    return push_data(folder, repo, private, "Street pairs", stale=[f"{DATA}/*"])
