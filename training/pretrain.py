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
Pre-trains GAIR on pairs of a Sentinel-2 tile and a street view:

    accelerate launch training/pretrain.py --data PAIRS.csv --max_steps 300 --output_dir DIR

Settings: training/configs/pretrain.yaml; each is a flag as well. Ends with a directory that the Auto classes load, a
retrieval table and a picture.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tqdm.auto import tqdm
from transformers import AutoModel, AutoProcessor

from modeling_gair import GairModel, GairProcessor
from training.figures import similarity_figure, true_colour
from training.pairs import DecodedPairs, PairStream, prepare_pairs
from training.retrieval import chance, format_table, retrieval
from training.settings import PretrainSettings, load_settings

# Points of the picture's similarity map along each side.
_MAP_SIDE = 192
# Weights saved and loaded are the same bits; embeddings may differ by the order of sums.
_RELOAD_TOLERANCE = 1e-5

_CARD = """---
library_name: transformers
pipeline_tag: feature-extraction
tags: [geospatial, remote-sensing, street-view, sentinel-2, location-encoder]
---
# GAIR, trained on `{data}`

Sentinel-2 tiles, street views and places in one embedding space. Trained from scratch on {train_count} pairs:
{steps} steps of {batch} pairs, learning rate {learning_rate}, seed {seed}. These are not the published GAIR weights, and what
they know is limited to the places and cameras of those pairs.

Retrieval on {evaluated}:

```
{table}
```

![Similarity of a photo over its tile](similarity.png)

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
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise ValueError(f"{str(output_dir)!r} exists and is no empty directory; name a new --output_dir.")
    set_seed(settings.seed)
    config = settings.gair_config()
    processor = GairProcessor.for_config(config)
    pairs = PairStream(settings, processor)
    model = GairModel(config)
    print(
        f"{model.num_parameters():,} parameters, {pairs.train_count} pairs to train on, {pairs.held_out_count} held out, "
        f"batches of {pairs.batch_size}, on {accelerator.device}"
    )

    model = train(model, processor, pairs, settings, accelerator)
    model.save_pretrained(output_dir)
    processor.save_pretrained(output_dir)
    first = next(pairs.evaluation_batches())
    model, processor = reload(model, processor, first, output_dir)

    embeddings = embed_all(model, processor, pairs)
    draw_similarity(model, processor, first, output_dir / "similarity.png")
    report(embeddings, pairs, settings, output_dir)


def train(
    model: GairModel, processor: GairProcessor, pairs: PairStream, settings: PretrainSettings, accelerator: Accelerator
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
    start, seen = time.perf_counter(), 0
    progress = tqdm(pairs.train_batches(settings.max_steps), total=settings.max_steps, unit="step", desc="train")
    for step, batch in enumerate(progress, start=1):
        loss = model(**prepare_pairs(batch, processor, accelerator.device), return_loss=True).loss
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        seen += len(batch.ids)
        # Reading the loss waits for the device, so not every step does.
        if step % settings.logging_steps == 0 or step in (1, settings.max_steps):
            value = loss.item()
            if not math.isfinite(value):
                raise ValueError(
                    f"The loss is {value} at step {step}; lower learning_rate (now {settings.learning_rate})."
                )
            progress.set_postfix(loss=f"{value:.3f}", pairs_per_s=f"{seen / (time.perf_counter() - start):.1f}")
    return accelerator.unwrap_model(model, keep_fp32_wrapper=False).eval()


def learning_rate_factor(step: int, settings: PretrainSettings) -> float:
    """Linear warm-up to 1, then a cosine to 0 at the last step."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(settings.max_steps - settings.warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1)))


@torch.no_grad()
def embed(model: GairModel, processor: GairProcessor, batch: DecodedPairs) -> dict[str, torch.Tensor]:
    """`sv`, `localized_rs`, `tile_mean` and `location` of a batch: `(B, D)` each, L2-normalised, on the CPU."""
    outputs = model(**prepare_pairs(batch, processor, model.device))
    return {
        "sv": outputs.sv_embeds.cpu(),
        "localized_rs": outputs.localized_rs_embeds[:, 0].cpu(),
        "tile_mean": outputs.rs_embeds.cpu(),
        "location": outputs.location_embeds.cpu(),
    }


def embed_all(model: GairModel, processor: GairProcessor, pairs: PairStream) -> dict[str, torch.Tensor]:
    """As [`embed`], over all pairs to evaluate on."""
    batches = tqdm(pairs.evaluation_batches(), unit="batch", desc="evaluate")
    parts = [embed(model, processor, batch) for batch in batches]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def reload(
    model: GairModel, processor: GairProcessor, batch: DecodedPairs, output_dir: Path
) -> tuple[GairModel, GairProcessor]:
    """What the saved directory gives a stranger, through the Auto classes; it must embed as what was trained does."""
    reloaded = AutoModel.from_pretrained(output_dir, trust_remote_code=True).to(model.device).eval()
    reloaded_processor = AutoProcessor.from_pretrained(output_dir, trust_remote_code=True)
    trained, saved = embed(model, processor, batch), embed(reloaded, reloaded_processor, batch)
    for name, values in trained.items():
        if not torch.allclose(values, saved[name], rtol=0, atol=_RELOAD_TOLERANCE):
            raise RuntimeError(f"The model saved in {str(output_dir)!r} embeds {name} otherwise than the one trained.")
    return reloaded, reloaded_processor


@torch.no_grad()
def draw_similarity(model: GairModel, processor: GairProcessor, batch: DecodedPairs, path: Path) -> None:
    """Draws the similarity of the batch's first photo over its tile."""
    tile = processor.image_processor.prepare(batch.tiles[:1], device=model.device)
    photo = processor.sv_image_processor.prepare(batch.photos[:1], device=model.device)
    feature_map = model.get_rs_feature_map(tile, size=(_MAP_SIDE, _MAP_SIDE))
    similarity = torch.cosine_similarity(feature_map, model.get_sv_features(photo)[:, :, None, None], dim=1)[0]
    x, y = batch.query_points[0, 0].tolist()
    similarity_figure(
        path,
        title=f"Pair {batch.ids[0]}",
        tile=true_colour(batch.tiles[0], processor.image_processor.bands),
        tile_size_m=batch.tile_sizes_m[0],
        photo=batch.photos[0],
        similarity=similarity.float().cpu().numpy(),
        point=(x, y),
    )


def report(
    embeddings: dict[str, torch.Tensor], pairs: PairStream, settings: PretrainSettings, output_dir: Path
) -> None:
    """Prints the retrieval table, and writes it as retrieval.json and into the card."""
    pair_count = len(embeddings["sv"])
    table = retrieval(embeddings)
    text = format_table(table, pair_count)
    print(f"\nRetrieval on {pairs.evaluated}\n{text}")
    content = {
        "pairs": pair_count,
        "held_out": pairs.holds_out,
        "evaluated": pairs.evaluated,
        "retrieval": table,
        "chance": chance(pair_count),
    }
    (output_dir / "retrieval.json").write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
    card = _CARD.format(
        data=Path(settings.data).name,
        train_count=pairs.train_count,
        steps=settings.max_steps,
        batch=pairs.batch_size,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        evaluated=pairs.evaluated,
        table=text,
        name=output_dir.name,
    )
    (output_dir / "README.md").write_text(card, encoding="utf-8")
    print(f"\nWrote {output_dir}: model, processors, code, README.md, retrieval.json, similarity.png")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"{error}")
