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
"""What a run ends with: the saved model, loaded again as a stranger would, measured, with tables, a picture and a card."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoProcessor

from modeling_gair import GairModel, GairProcessor
from training.measuring.embeddings import (
    draw_similarity,
    embed,
    embed_pairs,
    format_measures,
    measure,
    write_metrics,
)
from training.measuring.probes import PROBES
from training.pairs.sources import Source
from training.pairs.stream import EvaluationPairs, PairBatch, load, prepare_pairs
from training.pretraining.settings import SAMPLE_WORLD, PretrainSettings

# Weights saved and loaded are the same bits; embeddings may differ by the order of sums.
_RELOAD_TOLERANCE = 1e-5
# Training tiles that the probes are fitted on.
_PROBE_TILES = 512

_PROVES_OF_WORLD = (
    "The sample world is procedural: these figures prove that the method, the data path and the training work, and say "
    "nothing about the Earth."
)
_PROVES_OF_PAIRS = "What the model knows is limited to the places and cameras of these pairs."
_CARD = """---
library_name: transformers
pipeline_tag: feature-extraction
tags: [geospatial, remote-sensing, street-view, sentinel-2, location-encoder]
---
# GAIR, trained on {data}

Sentinel-2 tiles, street views and places in one embedding space. Trained from scratch with the objective
`{objective}`: {steps} steps of {batch} tiles with
up to {photos} photos each, learning rate {learning_rate}, seed {seed}. These are not the published GAIR weights.
{proves}

Measured on {evaluated}:

```
{tables}
```

![Similarity of photos over their tiles](similarity.png)

```python
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("{name}", trust_remote_code=True)
processor = AutoProcessor.from_pretrained("{name}", trust_remote_code=True)
```

The code files are licensed under Apache-2.0; the weights are their trainer's to license.
"""


def finish(
    model: GairModel, untrained: GairModel, processor: GairProcessor, sources: list[Source], settings: PretrainSettings
) -> None:
    """Saves the model, loads it again as a stranger would, and measures that beside the untrained one. On one process."""
    output_dir = Path(settings.output_dir)
    model.save_pretrained(output_dir)
    processor.save_pretrained(output_dir)
    evaluated, test = evaluation_pairs(sources, processor, settings, settings.evaluation_tiles)
    first = next((batch for batch in test if batch.photo_ids), None)
    if first is None:
        raise ValueError(f"None of the {evaluated} is good; the model is saved in {str(output_dir)!r}, mend the data.")
    model, processor = reload(model, processor, first, output_dir)
    report(
        model, untrained.eval(), processor, (training_pairs(sources, processor, settings), test), evaluated, settings
    )
    draw_similarity(model, processor, first, output_dir / "similarity.png", f"The first of the {evaluated}")
    print(f"\nWrote {output_dir}: model, processors, code, README.md, metrics.json, similarity.png")


def training_pairs(sources: list[Source], processor: GairProcessor, settings: PretrainSettings) -> EvaluationPairs:
    """The first of the training pairs, with their labels."""
    rows = [(source.train, source.folder) for source in sources]
    return EvaluationPairs(rows, processor, settings.batch_size, _PROBE_TILES, tuple(PROBES))


def evaluation_pairs(
    sources: list[Source], processor: GairProcessor, settings: PretrainSettings, most: int
) -> tuple[str, EvaluationPairs]:
    """Held-out pairs of `most` tiles, or training pairs where none are held out; and which these are, in words."""
    rows = [(source.held_out, source.folder) for source in sources if source.held_out is not None]
    words = "held-out tiles"
    if not rows:
        rows = [(source.train, source.folder) for source in sources]
        words = "TRAINING tiles (too few to hold any out: this shows fit, not skill)"
    return words, EvaluationPairs(rows, processor, settings.batch_size, most, tuple(PROBES))


def reload(
    model: GairModel, processor: GairProcessor, batch: PairBatch, output_dir: Path
) -> tuple[GairModel, GairProcessor]:
    """What the saved directory gives a stranger, through the Auto classes; it must embed as what was trained does."""
    reloaded = AutoModel.from_pretrained(output_dir, trust_remote_code=True).to(model.device).eval()
    reloaded_processor = AutoProcessor.from_pretrained(output_dir, trust_remote_code=True)
    trained = embed(model, prepare_pairs(batch, processor, model.device))
    saved = embed(reloaded, prepare_pairs(batch, reloaded_processor, model.device))
    for name, values in trained.items():
        if not torch.allclose(values, saved[name], rtol=0, atol=_RELOAD_TOLERANCE):
            raise RuntimeError(f"The model saved in {str(output_dir)!r} embeds {name} otherwise than the one trained.")
    return reloaded, reloaded_processor


def report(
    model: GairModel,
    untrained: GairModel,
    processor: GairProcessor,
    pairs: tuple[EvaluationPairs, EvaluationPairs],
    evaluated: str,
    settings: PretrainSettings,
) -> None:
    """Measures and prints; writes metrics.json and the card."""

    (trained_train, untrained_train), (trained_test, untrained_test) = (
        embed_pairs([model, untrained], processor, load(part, settings.num_workers), f"embed {name}")
        for part, name in zip(pairs, ("training pairs", "pairs to evaluate on"))
    )
    found = measure((trained_train, trained_test), (untrained_train, untrained_test))
    evaluated = f"{found['photos']} photos of {found['tiles']} {evaluated}"
    proves = _PROVES_OF_WORLD if list(settings.weights()) == [SAMPLE_WORLD] else _PROVES_OF_PAIRS
    tables = format_measures(found)
    print(f"\nMeasured on {evaluated}\n\n{tables}\n\n{proves}")
    write_metrics({"evaluated": evaluated, "training": training_facts(settings), **found}, Path(settings.output_dir))
    card = _CARD.format(
        data=", ".join(f"`{Path(name).name}`" for name in settings.weights()),
        objective=settings.objective_name(),
        steps=settings.max_steps,
        batch=settings.batch_size,
        photos=settings.photos_per_tile,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        evaluated=evaluated,
        tables=tables,
        proves=proves,
        name=Path(settings.output_dir).name,
    )
    (Path(settings.output_dir) / "README.md").write_text(card, encoding="utf-8")


def training_facts(settings: PretrainSettings) -> dict[str, Any]:
    """What a card tells of a run, without the paths of the machine that it ran on."""
    return {
        "data": [Path(name).name if Path(name).exists() else name for name in settings.weights()],
        "objective": settings.objective_name(),
        "max_steps": settings.max_steps,
        "batch_size": settings.batch_size * settings.batches_per_step,
        "photos_per_tile": settings.photos_per_tile,
        "learning_rate": settings.learning_rate,
        "seed": settings.seed,
    }
