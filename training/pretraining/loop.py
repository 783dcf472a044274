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
a data set on the Hub, or several with weights. Settings: training/configs/pretrain.yaml; each is a flag as well. Stopped by
Ctrl-C or worse, the same command goes on where it was. Ends with a directory that the Auto classes load, tables and a
picture.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, ProjectConfiguration, set_seed
from filelock import BaseFileLock, FileLock, Timeout

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.common.distributed import unwrapped
from training.measuring.embeddings import retrieval_of
from training.objectives import PretrainingModule, make_objective
from training.pairs.sources import Source, open_sources
from training.pairs.stream import load
from training.pretraining.batches import Batches
from training.pretraining.checkpointing import Checkpoints, Progress, StopSignal
from training.pretraining.costs import flops_per_pair, format_costs, matrix_rate, step_costs
from training.pretraining.finish import evaluation_pairs, finish
from training.pretraining.gradient_cache import backward
from training.pretraining.initial_weights import load_initial_weights
from training.pretraining.monitoring import LOG_FILE, PICTURE, Watch, check_trackers
from training.pretraining.settings import PretrainSettings, load_settings

# What a run writes into its directory before it ends.
_CHECKPOINTS, _LOGS, _LOCK = "checkpoints", "logs", ".lock"
_OF_A_RUN = {_CHECKPOINTS, _LOGS, _LOCK, LOG_FILE, PICTURE}
# How long a new run waits for one that is being stopped.
_LOCK_SECONDS = 60
# The model's weights among those of the module that is trained, and what compiled parts add to their names.
_OF_MODEL, _OF_COMPILER = "model.", "_orig_mod."


def main(arguments: list[str]) -> None:
    """Trains, saves, reloads what was saved, and measures that."""
    settings = load_settings(arguments)
    processor = GairProcessor.for_config(settings.gair_config())
    if settings.dry_run:
        print_costs(settings, processor)
        return
    accelerator = make_accelerator(settings)
    output_dir = Path(settings.output_dir)
    with claimed(output_dir, settings.resume, accelerator):
        checkpoints = Checkpoints(
            output_dir / _CHECKPOINTS,
            accelerator,
            settings.run(),
            settings.num_workers,
            settings.keep_checkpoints,
            settings.allow_inexact_resume,
        )
        resumed = checkpoints.latest()
        if resumed is not None:
            # Before any data are opened, or made.
            checkpoints.check(resumed)
        with accelerator.local_main_process_first():
            sources = open_sources(settings)
        model = train(processor, sources, settings, accelerator, checkpoints, resumed)
        accelerator.end_training()
        if model is not None and accelerator.is_main_process:
            finish(model, untrained_model(settings).to(accelerator.device), processor, sources, settings)


def make_accelerator(settings: PretrainSettings) -> Accelerator:
    """The processes and devices that the launcher gives, and the trackers."""
    check_trackers(settings.trackers())
    # The queue is the same on all processes without being sent.
    gradients = DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True)
    accelerator = Accelerator(
        log_with=settings.trackers() or None,
        project_config=ProjectConfiguration(settings.output_dir, str(Path(settings.output_dir) / _LOGS)),
        kwargs_handlers=[gradients],
        # The schedule counts steps of the run, whatever the number of processes.
        step_scheduler_with_optimizer=False,
    )
    if accelerator.device.type == "cpu":
        # Sums into rows that share a tile have no fixed order otherwise, and resuming would not be exact.
        torch.use_deterministic_algorithms(True)
    return accelerator


@contextmanager
def claimed(output_dir: Path, resume: str, accelerator: Accelerator) -> Iterator[None]:
    """
    Holds the directory for this run alone. With `resume` none, what is in it is kept under another name.

    Raises:
        ValueError: another run writes to it, or it holds something that no run can go on from.
    """
    lock = _claim(output_dir, resume) if accelerator.is_main_process else None
    accelerator.wait_for_everyone()
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _claim(output_dir: Path, resume: str) -> BaseFileLock:
    lock = _locked(output_dir)
    content = {path.name for path in output_dir.iterdir()}
    if resume == "none" and content != {_LOCK}:
        number = next(n for n in range(1, 1000) if not output_dir.with_name(f"{output_dir.name}.{n}").exists())
        kept = output_dir.rename(output_dir.with_name(f"{output_dir.name}.{number}"))
        print(f"Starting anew; what was in {str(output_dir)!r} is kept as {str(kept)!r}.")
        lock.release()
        return _locked(output_dir)
    if _CHECKPOINTS not in content and content - _OF_A_RUN:
        raise ValueError(
            f"{str(output_dir)!r} is no empty directory and holds no checkpoint to go on from; name a new --output_dir, "
            "or pass --resume none, which keeps the old one under another name."
        )
    return lock


def _locked(output_dir: Path) -> BaseFileLock:
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"{str(output_dir)!r} is no directory; name a new --output_dir.")
    output_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(output_dir / _LOCK)
    try:
        # A run that was told to stop needs a moment to save.
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as error:
        raise ValueError(
            f"Another run writes to {str(output_dir)!r}; wait until it ends, or name another --output_dir."
        ) from error
    return lock


def print_costs(settings: PretrainSettings, processor: GairProcessor) -> None:
    """What `--dry_run` prints: the settings as resolved, and what the run would cost."""
    print(yaml.safe_dump(settings.resolved(), sort_keys=False, allow_unicode=True))
    accelerator = Accelerator()
    costs = step_costs(
        settings.gair_config(),
        processor,
        accelerator.device,
        compute_dtype(accelerator),
        settings.batch_size,
        settings.photos_per_tile,
        settings.batches_per_step,
        settings.objective_settings(),
    )
    print(format_costs(costs, accelerator.num_processes, settings.max_steps))


def train(
    processor: GairProcessor,
    sources: list[Source],
    settings: PretrainSettings,
    accelerator: Accelerator,
    checkpoints: Checkpoints,
    resumed: Path | None,
) -> GairModel | None:
    """
    Runs the optimiser's steps that are left of `settings.max_steps`.

    Returns:
        The trained model on the main process's device (its weights are right on that process alone); None where the run
        was told to stop.
    """
    model = random_model(settings)
    if resumed is None:
        # Else all weights come from the checkpoint, an initial tower that teaches among them.
        for sentence in load_initial_weights(model, settings.towers()):
            accelerator.print(sentence)
    config, count = model.config, model.num_parameters()
    module = PretrainingModule(model, make_objective(model, processor, settings.objective_settings()))
    optimizer = make_optimizer(module, settings, accelerator.device)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, settings))
    accelerator.register_for_checkpointing(schedule)
    # The loader and the schedule stay out: batches are dealt out already, and the schedule counts steps of the run.
    module, optimizer = accelerator.prepare(module, optimizer)
    trained, objective = (getattr(unwrapped(module, accelerator), name) for name in ("model", "objective"))
    # Dropout differs from process to process.
    set_seed(settings.seed + accelerator.process_index)
    progress = Progress(0, None) if resumed is None else checkpoints.load(resumed)
    batches = Batches(processor, sources, settings, accelerator, progress)
    watch = start_watch(config, processor, settings, accelerator, progress.step)
    accelerator.print(_opening(count, batches, accelerator, progress.step))

    module.train()
    with StopSignal() as stop:
        for step in range(progress.step + 1, settings.max_steps + 1):
            parts, photo_ids, waited = batches.take(step, watch.bad)
            loss, terms, rows = backward(module, parts, accelerator)
            norm = accelerator.clip_grad_norm_(module.parameters(), settings.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            objective.after_step(trained, rows)
            watch.step(step, loss, terms | {"gradient_norm": norm}, photo_ids, waited)
            stopped = stop.agreed()
            saves = step % settings.checkpoint_every == 0 or step == settings.max_steps or stopped
            if watch.due(step) or saves:
                # Also checks that all is finite: what is not must not be saved.
                watch.report(float(schedule.get_last_lr()[0]))
            if objective.aligns and settings.retrieval_every and step % settings.retrieval_every == 0:
                with watch.paused():
                    watch.write(step, held_out_retrieval(module, processor, sources, settings, accelerator))
            if saves:
                checkpoints.save(step, batches.readers)
            if stopped and step < settings.max_steps:
                watch.close()
                accelerator.print(f"\nStopped and saved at step {step}; the same command goes on from there.")
                return None
    watch.close()
    temperature = objective.temperature
    if temperature is not None:
        config.temperature = temperature.item()
    return gathered(module, config, accelerator)


def random_model(settings: PretrainSettings) -> GairModel:
    """The model with the random weights of the seed: the same on every process, and whenever it is made."""
    set_seed(settings.seed)
    return GairModel(settings.gair_config())


def untrained_model(settings: PretrainSettings) -> GairModel:
    """The model as training began with it; with random weights alone, and said, where the initial ones have gone since."""
    model = random_model(settings)
    try:
        load_initial_weights(model, settings.towers())
    except ValueError as error:
        print(f"What was trained is compared with random weights: {error}")
        return random_model(settings)
    return model


def make_optimizer(
    module: PretrainingModule, settings: PretrainSettings, device: torch.device
) -> torch.optim.Optimizer:
    """
    AdamW; weights decay, while biases, norms and the temperature do not. NILI's map may have a learning rate of its own:
    AdamW moves every weight about as far, and so a map of 9 D inputs nine times as far as one of D (arXiv 2203.03466).

    Raises:
        ValueError: a factor for NILI's map where it is not trained.
    """
    nili = module.model.nili.affine.weight
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    factor = settings.nili_learning_rate_factor
    if factor != 1:
        if not nili.requires_grad:
            raise ValueError(f"nili_learning_rate_factor is {factor}, but this run does not train NILI; leave it out.")
        groups[0]["params"] = [parameter for parameter in groups[0]["params"] if parameter is not nili]
        groups.append({"params": [nili], "lr": settings.learning_rate * factor})
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.betas[0], settings.betas[1]),
        weight_decay=settings.weight_decay,
        fused=True,
    )


def start_watch(
    config: GairConfig, processor: GairProcessor, settings: PretrainSettings, accelerator: Accelerator, step: int
) -> Watch:
    """Watches a run from `step` on, against the rate at which its device multiplies matrices."""
    return Watch(
        accelerator,
        settings.resolved(),
        Path(settings.output_dir),
        start=step,
        last=settings.max_steps,
        every=settings.logging_steps,
        flops_per_pair=flops_per_pair(config, processor, settings.photos_per_tile, settings.objective_settings()),
        peak=matrix_rate(accelerator.device, compute_dtype(accelerator)),
    )


def compute_dtype(accelerator: Accelerator) -> torch.dtype:
    """What matrices are multiplied in."""
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(accelerator.mixed_precision, torch.float32)


def _opening(parameters: int, batches: Batches, accelerator: Accelerator, step: int) -> str:
    where = f"{accelerator.num_processes} × {accelerator.device.type}"
    begins = f"going on from step {step}" if step else "from the beginning"
    return f"{parameters:,} parameters, batches of {batches.batch_size} tiles on {where}, {begins}"


def held_out_retrieval(
    module: torch.nn.Module,
    processor: GairProcessor,
    sources: list[Source],
    settings: PretrainSettings,
    accelerator: Accelerator,
) -> dict[str, float]:
    """Median ranks on a part of the held-out pairs. Every process measures the same, as all may hold parts of the model."""
    _, pairs = evaluation_pairs(sources, processor, settings, settings.retrieval_tiles)
    module.eval()
    ranks = retrieval_of(module, processor, load(pairs, 0), accelerator.device)
    module.train()
    return ranks


def gathered(module: torch.nn.Module, config: GairConfig, accelerator: Accelerator) -> GairModel:
    """The trained model in one piece, wherever its weights lay."""
    weights = {name.replace(_OF_COMPILER, ""): value for name, value in accelerator.get_state_dict(module).items()}
    model = GairModel(config)
    if accelerator.is_main_process:
        own = {name.removeprefix(_OF_MODEL): value for name, value in weights.items() if name.startswith(_OF_MODEL)}
        model.load_state_dict(own)
    return model.to(accelerator.device).eval()


def learning_rate_factor(step: int, settings: PretrainSettings) -> float:
    """Linear warm-up to 1, then a cosine to 0 at the last step."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(settings.max_steps - settings.warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1)))
