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
"""The documentation builds without a warning, its code runs as written, and the files that it names exist."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.pages import BLOCK, ROOT, blocks_of, make_like_a_clone, run_blocks, runnable

PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "training/README.md"))]
# Blocks that need the network, a GPU, minutes, or a file that only its owner has, by page.
NOT_RUN = {
    "data.md": 1,
    "embedding.md": 1,
    "evaluation.md": 2,
    "evidence.md": 1,
    "export.md": 1,
    "gpus.md": 1,
    "index.md": 2,
    "objectives.md": 1,
    "pretraining.md": 3,
    "query.md": 3,
    "release.md": 1,
    "space.md": 4,
    "speed.md": 2,
    "streetscapes.md": 2,
    "tour.md": 1,
}
# Pages whose programs train, export or release for longer than some seconds.
LONG = {"embedding.md", "evaluation.md", "export.md", "pretraining.md", "release.md", "streetscapes.md", "use_cases.md"}
# What the commands of a page find in its folder, if they name it: the path and the fixture that it is copied from.
PREPARED = {"outputs/pretrain": "trained_model"}
# A path of the repository between backticks, with or without a wildcard; capitals stand for names of the reader's own.
_PATH = re.compile(r"`((?:modeling_gair|training|spaces_demo|tests|docs|\.ci|\.github)/[^\s`,;:()]*)`")
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


@pytest.fixture(scope="module")
def caches(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("caches")


def _marked(page: Path):
    marks = [pytest.mark.slow, pytest.mark.ci] if page.name in LONG else []
    return pytest.param(page, id=page.name, marks=marks)


@pytest.mark.parametrize("page", [_marked(page) for page in PAGES if runnable(page)])
def test_every_block_runs(page, tmp_path, caches, monkeypatch, request):
    if page.name != "index.md":
        for name, extra in (("rasterio", "geo"), ("datasets", "train"), ("onnxruntime", "export")):
            pytest.importorskip(name, reason=f"the extra {extra} is not installed")
    make_like_a_clone(tmp_path)
    blocks = runnable(page)
    for path, fixture in PREPARED.items():
        if any(path in text for _, text in blocks):
            shutil.copytree(request.getfixturevalue(fixture), tmp_path / path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    run_blocks(blocks, tmp_path, caches)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_only_known_blocks_are_not_run(page):
    blocks = blocks_of(page)
    assert {language for _, language, _ in blocks} <= {"python", "bash"}
    assert sum(not run for run, _, _ in blocks) == NOT_RUN.get(page.name, 0)
    # Every fence is one that the pattern finds.
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(BLOCK.findall(text))


def test_a_failing_block_fails_the_test(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run_blocks([("python", "x = 0"), ("python", "1 / x")], tmp_path, tmp_path)
    with pytest.raises(AssertionError, match="Block 0 ended with 1"):
        run_blocks([("bash", "false | cat")], tmp_path, tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_named_files_and_links_exist(document):
    text = document.read_text(encoding="utf-8")
    links = [link for link in _LINK.findall(text) if not link.startswith(("http", "mailto:"))]
    assert [link for link in links if not (document.parent / link).exists()] == []
    paths = [path for path in _PATH.findall(text) if not re.search(r"[A-Z]{3}|[<{…]", path.removesuffix("README.md"))]
    assert [path for path in paths if not list(ROOT.glob(path))] == []
    # Programs and modules in commands, too.
    programs = re.findall(r"(?:python|launch)(?: --?[\w-]+ \S+)*? ((?:training|spaces_demo)/\S+\.py)", text)
    modules = re.findall(r"python -m ((?:training|tests|modeling_gair)[\w.]*\w)", text)
    assert [path for path in programs if "NAME" not in path and not (ROOT / path).is_file()] == []
    files = [ROOT / module.replace(".", "/") for module in modules]
    assert [
        str(path) for path in files if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file())
    ] == []


@pytest.mark.ci
def test_the_notebook_runs(tmp_path, caches, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="the extra ci is not installed")
    nbformat = pytest.importorskip("nbformat", reason="the extra ci is not installed")
    pytest.importorskip("ipykernel", reason="the extra ci is not installed")
    path = ROOT / "docs" / "notebooks" / "first_steps.ipynb"
    assert path.stat().st_size < 300_000
    notebook = nbformat.read(path, as_version=4)
    assert not re.search(r"/site-packages/|/home/|/tmp/", path.read_text(encoding="utf-8"))
    for name, value in {"PYTHONPATH": ROOT, "HF_HOME": caches, "HF_HUB_OFFLINE": 1, "IPYTHONDIR": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/jpeg" in output.get("data", {}) for output in outputs) == 2
    printed = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    median = re.search(r"own tile: median rank (\d+) of 24", printed)
    assert median and int(median[1]) < 12


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built pages."""
    pytest.importorskip("mkdocs", reason="the extra ci is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.ci
@pytest.mark.xdist_group("site")
def test_the_api_pages_show_the_docstrings(site):
    """Sections in Hugging Face's style become lists, names become links, and no markup of the source is left."""
    model = (site / "api" / "model" / "index.html").read_text(encoding="utf-8")
    for name in ("get_rs_features", "get_localized_rs_features", "get_rs_feature_map", "gair_contrastive_loss"):
        assert name in model
    assert "x east, y south" in model and "<strong>Args</strong>" in model
    assert "Args:" not in model and "[<code>" not in model
    configuration = (site / "api" / "configuration" / "index.html").read_text(encoding="utf-8")
    assert 'href="../model/#modeling_gair.modeling_gair.GairModel"' in configuration
    processors = (site / "api" / "processors" / "index.html").read_text(encoding="utf-8")
    assert "<code>lon</code>, <code>lat</code>" in processors and "EPSG:4326" in processors


@pytest.mark.ci
@pytest.mark.xdist_group("site")
def test_the_site_carries_files_of_the_repository(site):
    changes = (site / "changelog" / "index.html").read_text(encoding="utf-8")
    assert "Unreleased" in changes and 'href="../streetscapes/"' in changes
    notebook = (site / "notebooks" / "first_steps" / "index.html").read_text(encoding="utf-8")
    pictures = re.findall(r'src="([^"]+\.jpg)"', notebook)
    assert len(pictures) == 2 and all((site / "notebooks" / "first_steps" / name).is_file() for name in pictures)
    assert (site / "notebooks" / "first_steps.ipynb").is_file()
    assert 'id="data-sets"' in (site / "benchmarks" / "index.html").read_text(encoding="utf-8")
    evidence = (site / "evidence" / "index.html").read_text(encoding="utf-8")
    for table in (ROOT / "training" / "evidence" / "results").glob("*.csv"):
        assert (site / "results" / table.name).read_bytes() == table.read_bytes()
        assert f'href="../results/{table.name}"' in evidence


@pytest.mark.ci
@pytest.mark.xdist_group("site")
def test_the_pages_need_no_network(site):
    for picture in ("similarity.jpg", "query.jpg", "sample_world.jpg", "query_modes.png"):
        assert (site / "images" / picture).is_file()
    # No font, script or style comes from elsewhere.
    for page in site.rglob("*.html"):
        sources = re.findall(r'(?:src|href)="(https?://[^"]+)"', page.read_text(encoding="utf-8"))
        assert not [source for source in sources if source.endswith((".js", ".css", ".woff2")) or "fonts." in source]
