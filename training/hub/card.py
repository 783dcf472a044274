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
"""The card of a released model: model_card.md, filled with what its directory tells."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from modeling_gair import GairModel, GairProcessor
from training.benchmarks.results.report import SAMPLE_REMARK
from training.hub.example import LAT, LON
from training.measuring.similarity_ranges import PERCENTILES
from training.measuring.tables import format_measures
from training.pretraining.costs import flops_per_pair, parameter_counts
from training.pretraining.monitoring import read_log
from training.pretraining.settings import SAMPLE_WORLD

TEMPLATE = Path(__file__).parents[2] / "model_card.md"
PAPER = "https://arxiv.org/abs/2503.16683"
# The licence of the published weights, which the converter writes into its card.
PUBLISHED_LICENCE = "cc-by-nc-4.0"
_LICENCES = {PUBLISHED_LICENCE: "CC BY-NC 4.0: no commercial use", "apache-2.0": "Apache-2.0"}
_TAGS = ("geospatial", "remote-sensing", "street-view", "sentinel-2", "location-encoder", "geo-embeddings")
_EVALUATION = re.compile(r"<!-- evaluation: start -->.*<!-- evaluation: end -->", re.DOTALL)
# A cell of a table, with the name of a model, or of the same with random weights.
_CELL = re.compile(r"(?<=\| )(random weights of )?([^|\n]*[^|\s])(?= *\|)")
# The headline of what pre-training measures at its end.
_HEADLINE, _HEADLINE_METRICS = "SV → RS at the point (NILI)", ("median_rank", "R@1")
_ON_WORLD = "(procedural, not the Earth)"


@dataclass(frozen=True)
class Origin:
    """
    What a model's directory says of how it came about.

    Attributes:
        folder (`Path`): the directory.
        metrics (`dict`, *optional*): metrics.json of [`training.pretraining.loop`], where the model was trained here.
        card ([`ModelCard`], *optional*): README.md as it is, which may hold results of [`training.benchmarks.runner`].
        pairs_per_second (`float`, *optional*): the median over the run's log.
    """

    folder: Path
    metrics: dict[str, Any] | None
    card: ModelCard | None
    pairs_per_second: float | None

    @classmethod
    def of(cls, folder: Path) -> "Origin":
        """
        Reads a directory.

        Raises:
            ValueError: metrics.json is no JSON.
        """
        metrics, card = folder / "metrics.json", folder / "README.md"
        rates = [line["pairs_per_s"] for line in read_log(folder) if "pairs_per_s" in line]
        try:
            found = json.loads(metrics.read_text(encoding="utf-8")) if metrics.is_file() else None
        except json.JSONDecodeError as error:
            raise ValueError(f"{str(metrics)!r} is no JSON ({error}); train again, or delete it.") from error
        return cls(folder, found, ModelCard.load(card) if card.is_file() else None, median(rates) if rates else None)

    @property
    def training(self) -> dict[str, Any]:
        """Settings of the run; empty where none is known."""
        return (self.metrics or {}).get("training", {})

    @property
    def licence(self) -> str | None:
        return None if self.card is None else self.card.data.get("license")

    @property
    def converted(self) -> bool:
        """Whether these are the published weights: their licence is that of no model trained here."""
        return self.licence == PUBLISHED_LICENCE and not self.training

    @property
    def on_sample_world(self) -> bool:
        return self.training.get("data") == [SAMPLE_WORLD]


def licence_of(origin: Origin, chosen: str | None, model: str) -> str:
    """
    The licence of the weights, as the Hub calls it.

    Args:
        origin ([`Origin`]): of the directory.
        chosen (`str`, *optional*): what the command line says.
        model (`str`): the directory, for the error.

    Raises:
        ValueError: it is not known, or the directory says another.
    """
    if origin.licence is not None:
        if chosen not in (None, origin.licence):
            raise ValueError(
                f"--license is {chosen!r}, but {model!r} says that its weights are licensed under {origin.licence!r}; "
                "leave --license out."
            )
        return origin.licence
    if chosen is not None:
        return chosen
    if origin.on_sample_world:
        return "apache-2.0"
    raise ValueError(
        f"{model!r} does not say what licence its weights have, and none follows from its training data; pass --license "
        "with a name that the Hub knows, such as cc-by-4.0."
    )


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
    The card of a model.

    Args:
        repo (`str`), branch (`str`, *optional*): where its snippets load it from.
        model ([`GairModel`]), processor ([`GairProcessor`]): as released, the config with its `similarity_ranges`.
        origin ([`Origin`]): of its directory.
        licence (`str`): of the weights, as the Hub calls it.
        exports (`Sequence[str]`): folders of exported parts beside the weights.
    """
    config = model.config
    return ModelCard.from_template(
        _metadata(repo, model, origin, licence),
        template_path=str(TEMPLATE),
        title=repo.split("/")[1],
        origin=_origin(origin),
        repo=repo,
        revision=f', revision="{branch}"' if branch else "",
        lon=LON,
        lat=LAT,
        dimension=model.rs_model.hidden_size,
        dtype=str(model.dtype).removeprefix("torch."),
        tile_pixels=processor.image_processor.size["height"],
        photo_pixels=processor.sv_image_processor.size["height"],
        patch=_patch(config),
        bands=", ".join(processor.image_processor.bands),
        ranges=config.similarity_ranges,
        low=PERCENTILES[0],
        high=PERCENTILES[-1],
        middle=PERCENTILES.index(50),
        limits=_limits(origin),
        training_data=_training_data(origin),
        licence=_LICENCES.get(licence, licence),
        exports=exports,
        results=_results(origin, repo),
        cost=_cost(model, processor, origin),
    )


def _metadata(repo: str, model: GairModel, origin: Origin, licence: str) -> ModelCardData:
    """The Hub's own fields, and those of the geo-embeddings model card (geoembeddings.org)."""
    data = origin.training.get("data", [])
    card: Any = None if origin.card is None else origin.card.data
    results = [*((card and card.eval_results) or []), *_eval_results(origin)]
    return ModelCardData(
        license=licence,
        library_name="transformers",
        pipeline_tag="feature-extraction",
        tags=list(_TAGS),
        # The Hub's data sets alone have an owner in their name.
        datasets=[name for name in data if "/" in name] or None,
        model_name=repo.split("/")[1] if results else None,
        eval_results=results or None,
        embedding_dimension=model.rs_model.hidden_size,
        embedding_spatial_types=["image chip", "point in a chip", "street-level photo", "location"],
        embedding_spatial_context="chips of 0.5 to 5 km; points continuous within them",
        embedding_temporal_type=["single date"],
        embedding_temporal_context="one acquisition",
        model_architecture="two vision transformers, random Fourier features with MLPs, NILI",
        publication_link=PAPER,
    )


def _eval_results(origin: Origin) -> list[EvalResult]:
    """Retrieval on held-out pairs by pre-training; what it measured on its training pairs is no result."""
    metrics = origin.metrics or {}
    figures = metrics.get("across_tiles", {}).get(_HEADLINE)
    if figures is None or "held-out" not in metrics["evaluated"] or not origin.training:
        return []
    name = ", ".join(origin.training["data"])
    return [
        EvalResult(
            task_type="feature-extraction",
            task_name="Retrieval of a photo's place among tiles",
            dataset_type=name,
            dataset_name=f"{name} {_ON_WORLD}" if origin.on_sample_world else name,
            dataset_config=f"pre-training-{metrics['tiles']}-tiles",
            dataset_split="held-out tiles",
            metric_type=metric,
            metric_name=f"{metric} ({_HEADLINE}, {metrics['evaluated']})",
            metric_value=round(float(figures[metric]), 5),
        )
        for metric in _HEADLINE_METRICS
    ]


def _origin(origin: Origin) -> str:
    if origin.converted:
        return (
            "These are the weights of the published GAIR release, converted to safetensors: **CC BY-NC 4.0, no commercial "
            "use**. Pixels are prepared as in the release (8-bit quantisation, resizing without antialiasing)."
        )
    if origin.on_sample_world:
        return f"Trained from scratch on a procedural planet; not the published GAIR weights. {SAMPLE_REMARK}"
    return "These are not the published GAIR weights."


def _patch(config: Any) -> Any:
    patch = getattr(config.rs_config, "patch_size", None)
    return patch or (config.rs_config.model_args or {}).get("patch_size", "its own number of")


def _limits(origin: Origin) -> str:
    if origin.converted:
        return "It knows the places, seasons and cameras of its training pairs, which its authors did not publish."
    if origin.on_sample_world:
        return "It has never seen the Earth: it is a demonstration, and of no use on real tiles and photos."
    return "It knows the places, seasons and cameras of its training pairs; elsewhere nothing was measured."


def _training_data(origin: Origin) -> str:
    if origin.converted:
        return (
            "Trained by the authors of GAIR on Sentinel-2 tiles and street views, which they describe in the paper; the data "
            "were not published with the weights."
        )
    if not origin.training:
        return "The directory that was released does not record what it was trained on."
    names = [f"[{name}](https://huggingface.co/datasets/{name})" if "/" in name else f"`{name}`" for name in origin.training["data"]]  # fmt: skip
    licences = (
        "the sample world is under Apache-2.0" if origin.on_sample_world else "its card or owner states its licence"
    )
    return f"Pre-trained on {', '.join(names)}; {licences}."


def _results(origin: Origin, repo: str) -> str:
    """Every figure with how it was obtained."""
    parts = []
    if origin.metrics is not None:
        remark = f"\n\n{SAMPLE_REMARK}" if origin.on_sample_world else ""
        parts.append(
            f"At the end of pre-training (`training/pretrain.py`), on {origin.metrics['evaluated']}; `metrics.json` holds the "
            "same. A photo's place is searched among places in other tiles, and among points of its own tile; ties share "
            f"their mean rank.\n\n```\n{format_measures(origin.metrics)}\n```{remark}"
        )
    if origin.card is not None and (section := _EVALUATION.search(origin.card.text)):
        parts.append(_CELL.sub(lambda cell: _public(cell, origin.folder, repo), section[0]))
    return "\n\n".join(parts) or "Nothing has been measured on this model; `training/evaluate.py --card` does."


def _public(cell: re.Match, folder: Path, repo: str) -> str:
    """A table's cell, with the model's name on the Hub where its directory stands."""
    return f"{cell[1] or ''}{repo}" if Path(cell[2]).resolve() == folder.resolve() else cell[0]


def _cost(model: GairModel, processor: GairProcessor, origin: Origin) -> str:
    counts = parameter_counts(model)
    parts = [
        f"{sum(counts.values()):,} parameters ({', '.join(f'{name} {count:,}' for name, count in counts.items())})."
    ]
    training = origin.training
    if training:
        flops = flops_per_pair(model.config, processor, training["photos_per_tile"])
        parts.append(
            f"Trained for {training['max_steps']:,} steps of up to {training['batch_size']} tiles a process with up to "
            f"{training['photos_per_tile']} photos each (learning rate {training['learning_rate']}, seed "
            f"{training['seed']}), at {flops / 1e9:.3g} GFLOP a pair forward and backward, counted from the operations."
        )
    if origin.pairs_per_second is not None:
        parts.append(f"Its log says {origin.pairs_per_second:.3g} pairs/s, the median. Energy was not measured.")
    return " ".join(parts)
