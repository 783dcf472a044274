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
"""The data card of street pairs."""

import json
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from huggingface_hub import DatasetCard, DatasetCardData

import modeling_gair
from training.street_pairs.blurring import missed
from training.street_pairs.job import CONTENT
from training.street_pairs.packing.contents import Contents
from training.street_pairs.packing.shards import DATA, SPLITS
from training.street_pairs.stages.select import COUNTS, PHOTOS, REMARKS, TILES

_TEMPLATE = Path(__file__).with_name("card_template.md")
# Names of licences on the Hub.
_ON_HUB = {"cc by-sa 4.0": "cc-by-sa-4.0", "cc by 4.0": "cc-by-4.0", "cc0 1.0": "cc0-1.0"}
_CREDITS_SHOWN = 20
_LIBRARIES = ("datasets", "httpx", "pillow", "pyarrow", "pystac-client", "rasterio")


def make_card(
    output: Path, job: dict[str, Any], contents: Contents, failures: Counter[tuple[str, str, bool]]
) -> DatasetCard:
    """
    Fills the card.

    Args:
        output (`Path`): the folder of the job, for the counts of its selection.
        job (`dict`): the options that the result depends on.
        contents ([`Contents`]): what the data set holds.
        failures (`Counter`): numbers of failures by stage, kind, and whether they are permanent.
    """
    splits = [split for split in SPLITS if contents.tiles[split]]
    tiles, photos = (sum(counts.values()) for counts in (contents.tiles, contents.photos))
    return DatasetCard.from_template(
        DatasetCardData(
            license=_licence(contents),
            pretty_name="Street-level photos with Sentinel-2 tiles",
            tags=["geospatial", "remote-sensing", "street-view", "sentinel-2"],
            configs=[
                {
                    "config_name": "default",
                    "data_files": [{"split": split, "path": f"{DATA}/{split}-*.parquet"} for split in splits],
                }
            ],
        ),
        template_path=str(_TEMPLATE),
        photos=f"{photos:,}",
        tiles=f"{tiles:,}",
        split_table=_table(
            ("split", "tiles", "photos"),
            [(f"`{split}`", contents.tiles[split], contents.photos[split]) for split in splits],
        ),
        licence_table=_table(
            ("source", "licence", "photos"),
            [(*key, count) for key, count in sorted(contents.licences.items(), key=str)],
        ),
        credit_table=_credit_table(contents),
        unchecked=f"{contents.unchecked:,}" if contents.unchecked else "",
        years=", ".join(sorted(contents.years)),
        rule_table=_rules(output, tiles, photos),
        remarks=" ".join(_read(output, REMARKS)),
        test="test" in splits,
        missed=missed(plates=bool(job.get("plates"))),
        failure_table=_table(
            ("stage", "kind", "of", "tried again by `--retry_failed`", "number"),
            [
                (stage, kind, _counted(stage, kind), "no" if permanent else "yes", count)
                for (stage, kind, permanent), count in sorted(failures.items())
            ],
        ),
        label_table=_table(
            ("label", "value", "tiles"),
            [
                (name, value, count)
                for name, counts in (
                    ("settlement", contents.settlements),
                    ("baseline", contents.baselines),
                    ("offset_evidence", contents.evidence),
                )
                for value, count in sorted(counts.items(), key=str)
            ],
        ),
        job=job,
        options="\n".join(
            f"{name}: {json.dumps(value, ensure_ascii=False)}"
            for name, value in job.items()
            if value is not None and name != CONTENT
        ),
        content=job.get(CONTENT) or "",
        version=modeling_gair.__version__,
        libraries=", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        python=platform.python_version(),
    )


def _licence(contents: Contents) -> str:
    """By its name on the Hub, if all photos have the same."""
    names = {_ON_HUB.get((licence or "").lower().replace("-4.0", " 4.0")) for _, licence in contents.licences}
    only = names.pop() if len(names) == 1 else None
    return only or "other"


def _credit_table(contents: Contents) -> str:
    credits = [(text, photos) for (*_, text), photos in contents.credits.items() if text]
    credits.sort(key=lambda credit: (-credit[1], credit[0]))
    return _table(("attribution", "photos"), credits[:_CREDITS_SHOWN])


def _rules(output: Path, tiles: int, photos: int) -> str:
    """What each rule of the selection left, and what of that the data set holds."""
    rules = _read(output, COUNTS)
    if not rules:
        return ""
    for of, file, held in (("tiles", TILES, tiles), ("photos", PHOTOS, photos)):
        selected = pq.read_metadata(output / "select" / file).num_rows
        rules.append({"rule": "in the data set", "of": of, "before": selected, "after": held})
    return _table(tuple(rules[0]), [tuple(rule.values()) for rule in rules])


def _counted(stage: str, kind: str) -> str:
    """What it is that failed."""
    if kind.startswith("scene_"):
        return "scenes"
    if kind == "no_photos" or stage in ("choose", "tiles"):
        return "tiles"
    return "searches" if stage == "search" else "photos"


def _read(output: Path, name: str) -> list[Any]:
    """A file of the selection."""
    return json.loads((output / "select" / name).read_text(encoding="utf-8"))


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A table in Markdown; empty without rows."""
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "unknown" if value is None else str(value).replace("|", "\\|")
