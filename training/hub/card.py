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
"""The card of a published model: the template model_card.md, filled from the model and its directory."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from modeling_gair import GairModel, GairProcessor
from training.common.models import MODEL_TAGS
from training.hub.example import LAT, LON
from training.hub.origin import PUBLISHED_LICENCE, Origin
from training.measuring.retrieval import headline
from training.measuring.similarity_ranges import PERCENTILES
from training.measuring.tables import format_measures
from training.objectives.settings import OBJECTIVE_SETTINGS
from training.pretraining.costs import flops_per_pair, parameter_counts
from training.world.settings import SAMPLE_WORLD_REMARK

TEMPLATE = Path(__file__).parents[2] / "model_card.md"
PAPER = "https://arxiv.org/abs/2503.16683"
_LICENCES = {PUBLISHED_LICENCE: "CC BY-NC 4.0: no commercial use", "apache-2.0": "Apache-2.0"}
_EVALUATION = re.compile(r"<!-- evaluation: start -->.*<!-- evaluation: end -->", re.DOTALL)
# A table cell with the name of a model, or of the same architecture with random weights.
_CELL = re.compile(r"(?<=\| )(random weights of )?([^|\n]*[^|\s])(?= *\|)")
# Of the headline of what pre-training measures at its end.
_HEADLINE_METRICS = ("median_rank", "R@1")


def make_card(
    repo: str,
    branch: str | None,
    model: GairModel,
    processor: GairProcessor,
    origin: Origin,
    licence: str,
    exports: Sequence[str] = (),
) -> ModelCard:
    """
    Fills the card of a model.

    Args:
        repo (`str`), branch (`str`, *optional*): where the card's snippets load the model from.
        model ([`GairModel`]), processor ([`GairProcessor`]): as published; the config holds `similarity_ranges`.
        origin ([`Origin`]): of the model.
        licence (`str`): of the weights, by its name on the Hub.
        exports (`Sequence[str]`): folders of exported parts beside the weights.
    """
    config = model.config
    return ModelCard.from_template(
        _metadata(repo, model, origin, licence),
        template_path=str(TEMPLATE),
        title=repo.split("/")[1],
        origin=origin,
        aligned=origin.training.get("objective", "gair") == "gair",
        sample_remark=SAMPLE_WORLD_REMARK,
        repo=repo,
        revision=f', revision="{branch}"' if branch else "",
        lon=LON,
        lat=LAT,
        dimension=model.rs_model.hidden_size,
        dtype=str(model.dtype).removeprefix("torch."),
        tile_pixels=processor.image_processor.size["height"],
        photo_pixels=processor.sv_image_processor.size["height"],
        patch=_patch(config),
        query_mode=config.query_mode,
        pixel_window=config.pixel_window,
        bands=", ".join(processor.image_processor.bands),
        ranges=config.similarity_ranges,
        low=PERCENTILES[0],
        high=PERCENTILES[-1],
        middle=PERCENTILES.index(50),
        data=[
            f"[{name}](https://huggingface.co/datasets/{name})" if "/" in name else f"`{name}`"
            for name in _data(origin)
        ],
        licence=_LICENCES.get(licence, licence),
        exports=exports,
        measures=format_measures(origin.metrics) if origin.metrics is not None else None,
        evaluation=_evaluation(origin, repo),
        parameters=parameter_counts(model),
        flops_per_pair=_flops_per_pair(config, processor, origin.training),
    )


def _flops_per_pair(config: Any, processor: GairProcessor, training: dict[str, Any]) -> float | None:
    """FLOPs of training by the objective that was trained; None if its settings are not recorded."""
    if "objective_settings" not in training:
        return None
    objective = OBJECTIVE_SETTINGS[training["objective"]](**training["objective_settings"])
    return flops_per_pair(config, processor, training["photos_per_tile"], objective)


def _data(origin: Origin) -> list[str]:
    return origin.training.get("data", [])


def _metadata(repo: str, model: GairModel, origin: Origin, licence: str) -> ModelCardData:
    """The Hub's own fields, and those of the geo-embeddings model card (geoembeddings.org)."""
    card: Any = None if origin.card is None else origin.card.data
    results = [*((card and card.eval_results) or []), *_eval_results(origin, headline(model.config.query_mode))]
    return ModelCardData(
        license=licence,
        library_name="transformers",
        pipeline_tag="feature-extraction",
        tags=[*MODEL_TAGS, "geo-embeddings"],
        # Only data sets on the Hub have an owner in their name.
        datasets=[name for name in _data(origin) if "/" in name] or None,
        model_name=repo.split("/")[1] if results else None,
        eval_results=results or None,
        embedding_dimension=model.rs_model.hidden_size,
        embedding_spatial_types=["image chip", "point in a chip", "street-level photo", "location"],
        embedding_spatial_context="chips of 0.5 to 5 km; points continuous within them",
        embedding_temporal_type=["single date"],
        embedding_temporal_context="one acquisition",
        model_architecture=_architecture(model.config),
        publication_link=PAPER,
    )


def _eval_results(origin: Origin, row: str) -> list[EvalResult]:
    """Retrieval on held-out pairs, as measured by pre-training; figures of training pairs are not results."""
    metrics = origin.metrics or {}
    figures = metrics.get("across_tiles", {}).get(row)
    if figures is None or "held-out" not in metrics["evaluated"] or not origin.training:
        return []
    name = ", ".join(_data(origin))
    return [
        EvalResult(
            task_type="feature-extraction",
            task_name="Retrieval of a photo's location among tiles",
            dataset_type=name,
            dataset_name=f"{name} (tiles and photos made up)" if origin.on_sample_world else name,
            dataset_config=f"pre-training-{metrics['tiles']}-tiles",
            dataset_split="held-out tiles",
            metric_type=metric,
            metric_name=f"{metric} ({row}, {metrics['evaluated']})",
            metric_value=round(float(figures[metric]), 5),
        )
        for metric in _HEADLINE_METRICS
    ]


def _architecture(config: Any) -> str:
    rs, sv = (getattr(tower, "architecture", tower.model_type) for tower in (config.rs_config, config.sv_config))
    return (
        f"tiles: {rs}; photos: {sv}; locations: {config.location_config.encoder}; points in tiles: {config.query_mode}"
        f"{_pixels(config)}"
    )


def _pixels(config: Any) -> str:
    """What a model reads at a point beside the tokens."""
    return f" and {config.pixel_window} × {config.pixel_window} pixels" if config.pixel_window else ""


def _patch(config: Any) -> int | None:
    """Pixels of a patch along each side; None for RS towers that do not state it."""
    patch = getattr(config.rs_config, "patch_size", None)
    return patch or (getattr(config.rs_config, "model_args", None) or {}).get("patch_size")


def _evaluation(origin: Origin, repo: str) -> str | None:
    """The section that training/evaluate.py --card wrote, with the model's name on the Hub in place of its directory."""
    section = None if origin.card is None else _EVALUATION.search(origin.card.text)
    return section and _CELL.sub(lambda cell: _public_name(cell, origin.folder, repo), section[0])


def _public_name(cell: re.Match, folder: Path, repo: str) -> str:
    return f"{cell[1] or ''}{repo}" if Path(cell[2]).resolve() == folder.resolve() else cell[0]
