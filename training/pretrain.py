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
Pre-trains GAIR on Sentinel-2 tiles and the street views taken in them:

    accelerate launch training/pretrain.py

Without arguments on the sample world, which is made on first use; with `--data` on a pairs CSV, a folder of parquet files,
a data set on the Hub, or several with weights. Settings: training/configs/pretrain.yaml; each is a flag as well. Ends with
a directory that the Auto classes load, tables and a picture.
"""

import copy
import math
import sys
import time
from collections import Counter
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tqdm.auto import tqdm
from transformers import AutoModel, AutoProcessor

from modeling_gair import GairModel, GairProcessor
from training.checks import check_empty
from training.measures import (
    draw_similarity,
    embed,
    embed_pairs,
    format_measures,
    measure,
    write_metrics,
)
from training.pairs import EvaluationPairs, PairBatch, PairStream, load, prepare_pairs
from training.probes import PROBES
from training.settings import SAMPLE_WORLD, PretrainSettings, load_settings
from training.sources import Source, open_sources

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

Sentinel-2 tiles, street views and places in one embedding space. Trained from scratch: {steps} steps of {batch} tiles with
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


def main(arguments: list[str]) -> None:
    """Trains, saves, reloads what was saved, and measures that."""
    settings = load_settings(arguments)
    accelerator = Accelerator()
    if accelerator.num_processes > 1:
        raise ValueError(
            f"Launched on {accelerator.num_processes} processes; this program trains on one: --num_processes 1."
        )
    output_dir = Path(settings.output_dir)
    check_empty(output_dir, "name a new --output_dir")
    set_seed(settings.seed)
    config = settings.gair_config()
    processor = GairProcessor.for_config(config)
    sources = open_sources(settings)
    model = GairModel(config)
    untrained = copy.deepcopy(model).to(accelerator.device).eval()

    model = train(model, processor, sources, settings, accelerator)
    model.save_pretrained(output_dir)
    processor.save_pretrained(output_dir)

    evaluated, test = evaluation_pairs(sources, processor, settings)
    first = next((batch for batch in test if batch.photo_ids), None)
    if first is None:
        raise ValueError(f"None of the {evaluated} is good; the model is saved in {str(output_dir)!r}, mend the data.")
    model, processor = reload(model, processor, first, output_dir)
    report(model, untrained, processor, (training_pairs(sources, processor, settings), test), evaluated, settings)
    draw_similarity(model, processor, first, output_dir / "similarity.png", f"The first of the {evaluated}")
    print(f"\nWrote {output_dir}: model, processors, code, README.md, metrics.json, similarity.png")


def train(
    model: GairModel,
    processor: GairProcessor,
    sources: list[Source],
    settings: PretrainSettings,
    accelerator: Accelerator,
) -> GairModel:
    """Runs `settings.max_steps` optimiser steps on the contrastive loss; returns the model for evaluation."""
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=(settings.betas[0], settings.betas[1]),
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, settings))
    # The loader stays out: it already gives each step one batch, which must not be dealt out again.
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    model.train()
    stream, num_workers = training_stream(sources, processor, settings)
    print(f"{model.num_parameters():,} parameters, batches of {stream.batch_size} tiles, on {accelerator.device}")
    bad: Counter = Counter()
    seen, start = 0, time.perf_counter()
    progress = tqdm(range(1, settings.max_steps + 1), unit="step", desc="train")
    for step, batch in zip(progress, load(stream, num_workers)):
        seen += len(batch.photo_ids)
        bad += check_batch(batch, bad.total(), seen, settings)
        loss = model(**prepare_pairs(batch, processor, accelerator.device), return_loss=True).loss
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        # Reading the loss waits for the device, so not every step does.
        if step % settings.logging_steps == 0 or step in (1, settings.max_steps):
            value = loss.item()
            if not math.isfinite(value):
                raise ValueError(
                    f"The loss is {value} at step {step}; lower learning_rate (now {settings.learning_rate})."
                )
            rate = seen / (time.perf_counter() - start)
            progress.set_postfix(loss=f"{value:.3f}", pairs_per_s=f"{rate:.0f}", bad=bad.total())
    return accelerator.unwrap_model(model, keep_fp32_wrapper=False).eval()


def training_stream(
    sources: list[Source], processor: GairProcessor, settings: PretrainSettings
) -> tuple[PairStream, int]:
    """The stream of batches, and how many workers read it. Few tiles make a small batch, which one process reads."""
    enough = settings.batch_size * max(settings.num_workers, 1)
    tiles = sum(source.train.count(enough) for source in sources)
    stream = PairStream(sources, processor, min(settings.batch_size, tiles), settings.photos_per_tile, settings.seed)
    # Each worker makes whole batches of its own share of the tiles; a tile must not stand twice in one.
    return stream, settings.num_workers if tiles >= enough else 0


def check_batch(batch: PairBatch, bad: int, seen: int, settings: PretrainSettings) -> Counter:
    """
    What was bad in a batch.

    Raises:
        ValueError: too large a share of all tiles and photos was bad, or fewer than two photos are left.
    """
    total = bad + batch.bad.total()
    if total > settings.max_bad_share * (seen + total):
        kinds = ", ".join(f"{count} by {kind}" for kind, count in sorted(batch.bad.items()))
        raise ValueError(
            f"{total} of {seen + total} tiles and photos are bad ({kinds} in this batch), more than max_bad_share "
            f"{settings.max_bad_share}; the first: {batch.problems[0]}"
        )
    if len(batch.photo_ids) < 2:
        raise ValueError(
            f"A batch holds {len(batch.photo_ids)} photos, but contrastive training needs two or more; add tiles or "
            "raise batch_size."
        )
    return batch.bad


def learning_rate_factor(step: int, settings: PretrainSettings) -> float:
    """Linear warm-up to 1, then a cosine to 0 at the last step."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(settings.max_steps - settings.warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1)))


def training_pairs(sources: list[Source], processor: GairProcessor, settings: PretrainSettings) -> EvaluationPairs:
    """The first of the training pairs, with their labels."""
    rows = [(source.train, source.folder) for source in sources]
    return EvaluationPairs(rows, processor, settings.batch_size, _PROBE_TILES, tuple(PROBES))


def evaluation_pairs(
    sources: list[Source], processor: GairProcessor, settings: PretrainSettings
) -> tuple[str, EvaluationPairs]:
    """Held-out pairs, or training pairs where none are held out; and which these are, in words."""
    rows = [(source.held_out, source.folder) for source in sources if source.held_out is not None]
    words = "held-out tiles"
    if not rows:
        rows = [(source.train, source.folder) for source in sources]
        words = "TRAINING tiles (too few to hold any out: this shows fit, not skill)"
    return words, EvaluationPairs(rows, processor, settings.batch_size, settings.evaluation_tiles, tuple(PROBES))


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
    write_metrics({"evaluated": evaluated, **found}, Path(settings.output_dir))
    card = _CARD.format(
        data=", ".join(f"`{Path(name).name}`" for name in settings.weights()),
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


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"{error}")
