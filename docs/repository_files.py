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
Puts files of the repository that lie outside `docs/` on the site: the changelog, the protocols of the benchmarks, the tables of results and
the citation file. Links between pages and these files lead to their places on the site; links to other files become plain text there.
Notebooks of `docs/notebooks/` become pages, with the outputs that they hold.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

_ROOT = Path(__file__).parents[1]
_RESULTS = "training/evidence/results"
# Where a file of the repository lies on the site.
_PLACES = {
    "CHANGELOG.md": "changelog.md",
    "CITATION.cff": "CITATION.cff",
    "training/benchmarks/README.md": "benchmarks.md",
    **{f"{_RESULTS}/{table.name}": f"results/{table.name}" for table in sorted((_ROOT / _RESULTS).glob("*.csv"))},
}
_SOURCES = {place: source for source, place in _PLACES.items()}
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds the files and the pages of notebooks to the site."""
    for source, place in _PLACES.items():
        files.append(File.generated(config, place, abs_src_path=str(_ROOT / source)))
    for notebook in sorted((_ROOT / "docs" / "notebooks").glob("*.ipynb")):
        text, resources = MarkdownExporter().from_filename(str(notebook))
        contents = {f"{notebook.stem}.md": text, **resources["outputs"]}
        for name, content in contents.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes links of the repository links of the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(_SOURCES.get(here, f"docs/{here}"))

    def linked(link: re.Match) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        if ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        place = _PLACES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        return text if place is None else f"[{text}]({posixpath.relpath(place, posixpath.dirname(here))}{anchor})"

    return _LINK.sub(linked, markdown)
