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
"""The end of a run: save the model, reload it as users will, measure the reloaded model, and write the model card."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard, ModelCardData
from transformers import AutoModel, AutoProcessor

from modeling_gair import GairModel, GairProcessor
from training.common.files import files_written_whole, write_atomically
from training.common.models import MODEL_TAGS
from training.measuring.climate import climate_auc
from training.measuring.embeddings import draw_similarity, embed, embed_pairs, evaluation_pairs
from training.measuring.probes import PROBES
from training.measuring.tables import format_measures, measure, write_metrics
from training.measuring.world_figure import draw_world_map
from training.pairs.decoding import PairBatch
from training.pairs.loading import EvaluationPairs, load_batches, prepare_pairs
from training.pairs.sources import Source, public_name
from training.pretraining.settings import PretrainSettings
from training.world.settings import SAMPLE_WORLD, SAMPLE_WORLD_REMARK

CARD_TEMPLATE = Path(__file__).with_name("card_template.md")
# Saved and reloaded weights are identical; embeddings may differ by the order of summation.
_RELOAD_TOLERANCE = 1e-5
# Training tiles that the probes are fitted on.
_PROBE_TILES = 512
_PAIRS_REMARK = "The model knows only the places and cameras of these pairs."


def finish(
    model: GairModel, untrained: GairModel, processor: GairProcessor, sources: list[Source], settings: PretrainSettings
) -> None:
    """
    Saves the model, reloads it through the Auto classes, and measures it beside the untrained model. Called by one process.

    Args:
        model, untrained ([`GairModel`]): the model after and before training, on the same device.
        processor ([`GairProcessor`]), sources (`list[Source]`), settings ([`PretrainSettings`]): of the run.

    Raises:
        ValueError: none of the evaluation pairs can be read; the model has been saved by then.
    """
    output_dir = Path(settings.output_dir)
    with files_written_whole(output_dir) as folder:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    evaluated, test = evaluation_pairs(
        sources, processor, settings.batch_size, settings.evaluation_tiles, tuple(PROBES)
    )
    first = next((batch for batch in test if batch.photo_ids), None)
    if first is None:
        raise ValueError(
            f"None of the {evaluated} can be read; the model was saved in {str(output_dir)!r} but not measured: repair the "
            "data and run the same command again."
        )
    model, processor = reload(model, processor, first, output_dir)
    pairs = training_pairs(sources, processor, settings), test
    report(model, untrained.eval(), processor, pairs, evaluated, settings)
    draw_similarity(model, processor, first, output_dir / "similarity.png", f"The first of the {evaluated}")
    draw_world_map(
        model, processor, output_dir / "world_map.png", "Similarity of locations, by the location encoder alone"
    )
    print(f"\nWrote {output_dir}: model, processors, code, README.md, metrics.json, similarity.png, world_map.png")


def training_pairs(sources: list[Source], processor: GairProcessor, settings: PretrainSettings) -> EvaluationPairs:
    """The first training pairs of each source with their labels; the probes are fitted on them."""
    rows = [(source.train, source.folder) for source in sources]
    return EvaluationPairs(rows, processor, settings.batch_size, _PROBE_TILES, tuple(PROBES))


def reload(
    model: GairModel, processor: GairProcessor, batch: PairBatch, output_dir: Path
) -> tuple[GairModel, GairProcessor]:
    """
    Loads the saved directory through the Auto classes, as users will.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the saved model and its processor.
        batch (`PairBatch`): embedded by both models to compare them.

    Raises:
        RuntimeError: the saved model does not embed the batch as the trained model does.
    """
    reloaded = AutoModel.from_pretrained(output_dir, trust_remote_code=True).to(model.device).eval()
    reloaded_processor = AutoProcessor.from_pretrained(output_dir, trust_remote_code=True)
    trained = embed(model, prepare_pairs(batch, processor, model.device))
    saved = embed(reloaded, prepare_pairs(batch, reloaded_processor, model.device))
    for name, values in trained.items():
        if not torch.allclose(values, saved[name], rtol=0, atol=_RELOAD_TOLERANCE):
            raise RuntimeError(
                f"The model saved in {str(output_dir)!r} computes {name} embeddings that differ from the trained model's."
            )
    return reloaded, reloaded_processor


def report(
    model: GairModel,
    untrained: GairModel,
    processor: GairProcessor,
    pairs: tuple[EvaluationPairs, EvaluationPairs],
    evaluated: str,
    settings: PretrainSettings,
) -> None:
    """
    Measures both models and prints the tables; writes metrics.json and the model card.

    Args:
        pairs: training pairs and evaluation pairs.
        evaluated (`str`): describes the evaluation pairs.
    """
    (trained_train, untrained_train), (trained_test, untrained_test) = (
        embed_pairs([model, untrained], processor, load_batches(part, settings.num_workers), f"embed {name}")
        for part, name in zip(pairs, ("training pairs", "evaluation pairs"))
    )
    found = measure((trained_train, trained_test), (untrained_train, untrained_test))
    evaluated = f"{found['photos']} photos of {found['tiles']} {evaluated}"
    scope = _PAIRS_REMARK
    if list(settings.weights()) == [SAMPLE_WORLD]:
        scope = SAMPLE_WORLD_REMARK
        found["climate_auc"] = {
            "trained": climate_auc(model, processor, settings.sample_world),
            "untrained": climate_auc(untrained, processor, settings.sample_world),
        }
    tables = format_measures(found)
    print(f"\nMeasured on {evaluated}\n\n{tables}\n\n{scope}")
    output_dir = Path(settings.output_dir)
    write_metrics({"evaluated": evaluated, "training": training_facts(settings), **found}, output_dir)
    write_atomically(output_dir / "README.md", str(make_card(settings, evaluated, tables, scope)))


def make_card(settings: PretrainSettings, evaluated: str, tables: str, scope: str) -> ModelCard:
    """
    The model card of a run's directory.

    Args:
        settings ([`PretrainSettings`]): of the run.
        evaluated (`str`), tables (`str`): a description of the evaluation pairs, and the tables as text.
        scope (`str`): a sentence that says what the figures mean.
    """
    facts = training_facts(settings) | {"data": ", ".join(f"`{public_name(name)}`" for name in settings.weights())}
    return ModelCard.from_template(
        ModelCardData(library_name="transformers", pipeline_tag="feature-extraction", tags=[*MODEL_TAGS]),
        template_path=str(CARD_TEMPLATE),
        name=Path(settings.output_dir).name,
        evaluated=evaluated,
        tables=tables,
        scope=scope,
        start=_start(facts["initial_weights"]),
        **facts,
    )


def training_facts(settings: PretrainSettings) -> dict[str, Any]:
    """The facts that a card states about a run, without local paths."""
    return {
        "data": [public_name(name) for name in settings.weights()],
        "objective": settings.objective_name(),
        "objective_settings": {
            name: _public_name(value) if isinstance(value, str) else value
            for name, value in asdict(settings.objective_settings()).items()
        },
        "initial_weights": {
            name: value and _public_name(value) for name, value in asdict(settings.initial_weights).items()
        },
        "max_steps": settings.max_steps,
        "batch_size": settings.batch_size * settings.batches_per_step,
        "photos_per_tile": settings.photos_per_tile,
        "learning_rate": settings.learning_rate,
        "seed": settings.seed,
    }


def _start(initial: dict[str, str | None]) -> str:
    """What the towers started from, in words."""
    given = [f"{tower.upper()} tower: `{name}`" for tower, name in initial.items() if name]
    return f"from initial weights ({', '.join(given)})" if given else "from scratch"


def _public_name(name: str) -> str:
    """The name of a local file or folder without its path; other names as they are."""
    return Path(name).name if Path(name).exists() else name
