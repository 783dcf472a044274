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
"""Publishes a model or the Space: gathers the files, verifies them, and pushes them in one commit."""

import shutil
import sys
from pathlib import Path

from training.common.files import temporary_directory
from training.common.tables import local_path
from training.hub.gather import ROOT, gather
from training.hub.options import SPACE, ReleaseOptions
from training.hub.push import push
from training.hub.space_embeddings import write_space_embeddings
from training.hub.verify import check_no_local_paths, list_files, verify


def release(options: ReleaseOptions) -> None:
    """
    Publishes what the options name, and prints the files and the commit.

    Raises:
        ValueError: the files are incomplete or name local paths, or the Hub can't be reached or rejects them.
    """
    with temporary_directory("gair-release-") as scratch:
        folder = Path(scratch) / "release"
        local = [str(ROOT), str(Path(scratch).resolve()), sys.prefix]
        if options.space:
            shutil.copytree(SPACE, folder, ignore=shutil.ignore_patterns("__pycache__"))
            check_no_local_paths(folder, local)
        else:
            assert options.model is not None
            gather(options, folder)
            if options.dry_run:
                print(
                    "Dry run: the embeddings that a Space shows, world-*.npy and photos-*.npy, would be computed and published "
                    "with these files."
                )
            else:
                write_space_embeddings(folder)
            verify(folder, [str(local_path(options.model).resolve()), *local])
        print(f"{list_files(folder)}\n")
        target = f"{'the Space ' if options.space else ''}{options.target}, branch {options.branch or 'main'}"
        if options.pull_request:
            target += ", as a pull request"
        if options.dry_run:
            print(f"Dry run: these files would be pushed to {target}.")
            return
        pushed = push(options, folder)
    print(f"Pushed to {target}: {pushed.pr_url or pushed.commit_url}")
    if options.space:
        print(f"The Space shows {options.model or 'the bundled model'}.")
    else:
        print(f'To load exactly this code, pass revision="{pushed.oid}".')
