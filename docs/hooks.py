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
"""Pictures that belong to the programs are shown by the pages without a copy: `../training/images/NAME` works in both places."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_IN_REPOSITORY, _IN_SITE = "../training/images/", "images/"


def on_files(files: Files, *, config: Any) -> Files:
    """Adds the pictures of `training/images`."""
    for path in sorted((Path(config.docs_dir).parent / "training" / "images").iterdir()):
        files.append(File.generated(config, _IN_SITE + path.name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """Points to them."""
    return markdown.replace(_IN_REPOSITORY, _IN_SITE)
