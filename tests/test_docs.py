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
"""The documentation builds without a warning, and every block of its pages runs as written, page by page."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("rasterio", reason="the extra geo is not installed")

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
_BLOCK = re.compile(r"^(<!-- not run: [^\n]+ -->\n)?```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
# The blocks that need the network, minutes, or a file that only its owner has.
NOT_RUN = {
    "index.md": 1,
    "tour.md": 1,
    "pretraining.md": 2,
    "evaluation.md": 1,
    "release.md": 1,
    "export.md": 1,
    "space.md": 4,
}
# One process for the Python of a page, in which its commands run in their turn.
_RUNNER = """
import subprocess, sys
from pathlib import Path
namespace = {"__name__": "page"}
for path in sorted(Path(sys.argv[1]).iterdir()):
    text = path.read_text(encoding="utf-8")
    print(f">>> {path.name}", flush=True)
    if path.suffix == ".python":
        exec(compile(text, path.name, "exec"), namespace)
    else:
        subprocess.run(["bash", "-euo", "pipefail", "-c", text], check=True)
"""


def blocks_of(page: Path) -> list[tuple[bool, str, str]]:
    """Whether it is run, the language and the text of each block of code."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(not excuse, language, text) for excuse, language, text in found if language != "text"]


@pytest.fixture(scope="module")
def caches(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("caches")


def run_page(page: Path, folder: Path, caches: Path) -> str:
    """The output of a page's blocks, run in a folder that looks like a clone, without a network."""
    for name in ("training", "modeling_gair", "docs", "mkdocs.yml", "LICENSE", "model_card.md"):
        (folder / name).symlink_to(ROOT / name)
    scripts = folder / ".blocks"
    scripts.mkdir()
    for number, (run, language, text) in enumerate(blocks_of(page)):
        if run:
            (scripts / f"{number:02d}.{language}").write_text(text, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HOME": str(caches),
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "NO_MKDOCS_2_WARNING": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", _RUNNER, str(scripts)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_block_runs(page, tmp_path, caches):
    blocks = blocks_of(page)
    assert {language for _, language, _ in blocks} <= {"python", "bash"} and blocks
    assert sum(not run for run, _, _ in blocks) == NOT_RUN.get(page.name, 0)
    # No fence is written in a way that would be passed over.
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(_BLOCK.findall(page.read_text(encoding="utf-8")))
    said = run_page(page, tmp_path, caches)
    assert said.count(">>> ") == sum(run for run, _, _ in blocks)


def test_a_block_that_fails_fails(tmp_path, caches):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```bash\nfalse | cat\n```\n", encoding="utf-8")
    (tmp_path / "clone").mkdir()
    with pytest.raises(AssertionError, match="returned non-zero exit status 1"):
        run_page(page, tmp_path / "clone", caches)


def test_the_api_pages_hold_the_docstrings(tmp_path):
    """Sections of Hugging Face's style as lists, links between classes, and nothing of the source's markup left over."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    model = (site / "api" / "model" / "index.html").read_text(encoding="utf-8")
    for name in ("get_rs_features", "get_localized_rs_features", "get_rs_feature_map", "gair_contrastive_loss"):
        assert name in model
    assert "x east, y south" in model and "<strong>Args</strong>" in model
    assert "Args:" not in model and "[<code>" not in model
    configuration = (site / "api" / "configuration" / "index.html").read_text(encoding="utf-8")
    assert 'href="../model/#modeling_gair.modeling_gair.GairModel"' in configuration
    processors = (site / "api" / "processors" / "index.html").read_text(encoding="utf-8")
    assert "<code>lon</code>, <code>lat</code>" in processors and "EPSG:4326" in processors
    for picture in ("similarity.jpg", "sample_world.jpg"):
        assert (site / "images" / picture).is_file()
    # Read without a network: no font, script or style from elsewhere.
    for page in site.rglob("*.html"):
        sources = re.findall(r'(?:src|href)="(https?://[^"]+)"', page.read_text(encoding="utf-8"))
        assert not [source for source in sources if source.endswith((".js", ".css", ".woff2")) or "fonts." in source]
