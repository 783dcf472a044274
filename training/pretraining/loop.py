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
"""Pre-training from the settings to the finished directory, and the training loop itself."""

from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, ProjectConfiguration, set_seed
from torch.distributed.fsdp import MixedPrecisionPolicy

from modeling_gair import GairModel, GairProcessor
from training.common.distributed import main_first, together, unwrapped
from training.common.matrix_rate import matrix_rate
from training.common.models import use_writable_modules_cache
from training.measuring.embeddings import evaluation_pairs
from training.measuring.retrieval import training_retrieval
from training.objectives.base import PretrainingModule
from training.objectives.registry import make_objective
from training.pairs.loading import load_batches
from training.pairs.sources import Source, open_sources
from training.pretraining.batches import Batches
from training.pretraining.checkpointing import Checkpoints, Progress, StopSignal
from training.pretraining.costs import compute_dtype, flops_per_pair, print_costs
from training.pretraining.finish import finish
from training.pretraining.gradient_cache import Tensors, backward
from training.pretraining.initial_weights import load_initial_weights, random_model, untrained_model
from training.pretraining.monitoring import Watch, check_trackers
from training.pretraining.optimizer import make_optimizer, make_schedule
from training.pretraining.run_directory import CHECKPOINTS, TRACKER_LOGS, claimed
from training.pretraining.settings import PretrainSettings

# Prefix of the model's weights in the module that is trained, and what compiled parts add to their names.
_MODEL_PREFIX, _COMPILER_PREFIX = "model.", "_orig_mod."


def pretrain(settings: PretrainSettings) -> None:
    """
    Trains a model, or resumes its training; then saves it, reloads what was saved, and measures that.

    Args:
        settings ([`PretrainSettings`]): of the run. With `dry_run`, only prints the settings and the costs.

    Raises:
        ValueError: the settings, the data or the output directory do not allow the run; the message says why.
    """
    processor = GairProcessor.for_config(settings.gair_config())
    if settings.dry_run:
        print_costs(settings, processor)
        return
    accelerator = make_accelerator(settings)
    # Needed at the end of the run; what is wrong with it must be found before its beginning.
    use_writable_modules_cache()
    output_dir = Path(settings.output_dir)
    with claimed(output_dir, settings.resume, accelerator):
        checkpoints = Checkpoints(
            output_dir / CHECKPOINTS,
            accelerator,
            settings.run(),
            settings.num_workers,
            settings.keep_checkpoints,
            settings.allow_inexact_resume,
        )
        resumed = checkpoints.latest()
        if resumed is not None:
            # Before the data are opened, or the sample world is made.
            together(lambda: checkpoints.check(resumed))
        sources = main_first(
            lambda: open_sources(
                settings.weights(), settings.holdout_fraction, settings.sample_world, settings.num_workers
            ),
            accelerator,
        )
        model = train(processor, sources, settings, accelerator, checkpoints, resumed)
        accelerator.end_training()
        if model is not None and accelerator.is_main_process:
            finish(model, untrained_model(settings).to(accelerator.device), processor, sources, settings)


def make_accelerator(settings: PretrainSettings) -> Accelerator:
    """
    The accelerator with the launcher's processes and devices, and the trackers of the settings.

    Raises:
        ValueError: a tracker is unknown or not installed.
    """
    check_trackers(settings.trackers())
    # The queue is the same on all processes without being sent.
    gradients = DistributedDataParallelKwargs(broadcast_buffers=False, gradient_as_bucket_view=True)
    accelerator = Accelerator(
        log_with=settings.trackers() or None,
        project_config=ProjectConfiguration(settings.output_dir, str(Path(settings.output_dir) / TRACKER_LOGS)),
        kwargs_handlers=[gradients],
        # The schedule counts steps of the run, whatever the number of processes.
        step_scheduler_with_optimizer=False,
    )
    keep_inputs_precise(accelerator)
    if accelerator.device.type == "cpu":
        # Otherwise sums into rows of a shared tile have no fixed order, and resuming would not be exact.
        torch.use_deterministic_algorithms(True)
    return accelerator


def keep_inputs_precise(accelerator: Accelerator) -> None:
    """
    Keeps FSDP2 from casting the module's inputs and outputs in mixed precision: coordinates and query points are among them.
    The model casts its pixels itself.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and isinstance(plugin.mixed_precision_policy, MixedPrecisionPolicy):
        plugin.mixed_precision_policy = replace(
            plugin.mixed_precision_policy, cast_forward_inputs=False, output_dtype=None
        )


class Trainer:
    """
    A model with its objective, optimizer and schedule, prepared by Accelerate.

    Args:
        processor ([`GairProcessor`]): the model's.
        settings ([`PretrainSettings`]): of the run.
        accelerator (`Accelerator`): from [`make_accelerator`].
        resumed (`bool`): whether a checkpoint will be loaded, which replaces all initial weights.

    Raises:
        ValueError: initial weights cannot be loaded, or the objective does not fit the model.
    """

    def __init__(self, processor: GairProcessor, settings: PretrainSettings, accelerator: Accelerator, resumed: bool):
        self.processor, self.settings, self.accelerator = processor, settings, accelerator
        module, optimizer = together(lambda: self._begin(resumed))
        self.config, self.parameter_count = module.model.config, module.model.num_parameters()
        self.schedule = make_schedule(optimizer, settings)
        accelerator.register_for_checkpointing(self.schedule)
        # The loader and the schedule are not prepared: the batches are already divided among the processes, and the
        # schedule counts steps of the run.
        self.module, self.optimizer = accelerator.prepare(module, optimizer)
        bare = unwrapped(self.module, accelerator)
        self.model, self.objective = bare.model, bare.objective
        # Dropout differs from process to process.
        set_seed(settings.seed + accelerator.process_index)
        self.module.train()

    def _begin(self, resumed: bool) -> tuple[PretrainingModule, torch.optim.Optimizer]:
        model = random_model(self.settings)
        if self.accelerator.device.type == "cpu" and self.accelerator.mixed_precision == "bf16":
            # The gradient of PyTorch's fused attention in bfloat16 takes as long on CPUs as all the rest of a step.
            model.set_attn_implementation({"rs_config": "eager", "sv_config": "eager"})
        if not resumed:
            for sentence in load_initial_weights(model, self.settings.initial_weights):
                self.accelerator.print(sentence)
        objective = make_objective(model, self.processor, self.settings.objective_settings())
        module = PretrainingModule(model, objective)
        return module, make_optimizer(module, self.settings)

    @property
    def learning_rate(self) -> float:
        return float(self.schedule.get_last_lr()[0])

    def step(self, parts: list[Tensors]) -> tuple[torch.Tensor, Tensors]:
        """
        One optimizer step.

        Args:
            parts (`list[dict[str, torch.Tensor]]`): the parts of this process's batch.

        Returns:
            The loss, and scalars to follow: the terms of the loss and `gradient_norm`.
        """
        loss, terms, rows = backward(self.module, parts, self.accelerator)
        norm = self.accelerator.clip_grad_norm_(self.module.parameters(), self.settings.max_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.objective.after_step(self.model, rows)
        return loss, terms | {"gradient_norm": norm}

    def held_out_retrieval(self, sources: list[Source]) -> dict[str, float]:
        """Median ranks on some held-out pairs. All processes measure the same, as each may hold a part of the model."""
        settings = self.settings
        _, pairs = evaluation_pairs(sources, self.processor, settings.batch_size, settings.retrieval_tiles)
        self.module.eval()
        ranks = training_retrieval(self.module, self.processor, load_batches(pairs, 0), self.accelerator.device)
        self.module.train()
        return ranks

    def whole_model(self) -> GairModel:
        """The trained model in one piece. Its weights are right on the main process alone; all processes must call this."""
        weights = self.accelerator.get_state_dict(self.module)
        if self.objective.temperature is not None:
            self.config.temperature = self.objective.temperature.item()
        model = GairModel(self.config)
        if self.accelerator.is_main_process:
            names = {name: name.replace(_COMPILER_PREFIX, "") for name in weights}
            model.load_state_dict(
                {
                    clean.removeprefix(_MODEL_PREFIX): weights[name]
                    for name, clean in names.items()
                    if clean.startswith(_MODEL_PREFIX)
                }
            )
        return model.to(self.accelerator.device).eval()


def train(
    processor: GairProcessor,
    sources: list[Source],
    settings: PretrainSettings,
    accelerator: Accelerator,
    checkpoints: Checkpoints,
    resumed: Path | None,
) -> GairModel | None:
    """
    Runs the steps that are left of `settings.max_steps`.

    Args:
        resumed (`Path`, *optional*): the checkpoint to resume from.

    Returns:
        The trained model on the main process's device (its weights are right on that process alone), or None if a signal
        stopped the run.
    """
    trainer = Trainer(processor, settings, accelerator, resumed is not None)
    progress = Progress(0, None) if resumed is None else checkpoints.load(resumed)
    batches = together(lambda: Batches(processor, sources, settings, accelerator, progress))
    watch = start_watch(trainer, progress.step)
    accelerator.print(_opening(trainer, batches, progress.step))
    with StopSignal() as stop:
        for step in range(progress.step + 1, settings.max_steps + 1):
            parts, photo_ids, waited = batches.take(step, watch.bad)
            loss, figures = trainer.step(parts)
            watch.step(step, loss, figures, photo_ids, waited)
            stopped = stop.agreed()
            saves = step % settings.checkpoint_every == 0 or step == settings.max_steps or stopped
            if watch.due(step) or saves:
                # This also checks that the loss is finite: weights that are not must not be saved.
                watch.report(trainer.learning_rate)
            if trainer.objective.aligns and settings.retrieval_every and step % settings.retrieval_every == 0:
                with watch.paused():
                    watch.write(step, trainer.held_out_retrieval(sources))
            if saves:
                checkpoints.save(step, batches.readers)
            if stopped and step < settings.max_steps:
                watch.close()
                accelerator.print(f"\nStopped and saved at step {step}; run the same command again to resume.")
                return None
    watch.close()
    return trainer.whole_model()


def start_watch(trainer: Trainer, step: int) -> Watch:
    """Watches a run from `step` on; its speed is compared with the device's rate of matrix multiplication."""
    settings, accelerator = trainer.settings, trainer.accelerator
    flops = flops_per_pair(trainer.config, trainer.processor, settings.photos_per_tile, settings.objective_settings())
    return Watch(
        accelerator,
        settings.resolved(),
        Path(settings.output_dir),
        start=step,
        last=settings.max_steps,
        every=settings.logging_steps,
        flops_per_pair=flops,
        peak=matrix_rate(accelerator.device, compute_dtype(accelerator)),
    )


def _opening(trainer: Trainer, batches: Batches, step: int) -> str:
    where = f"{trainer.accelerator.num_processes} × {trainer.accelerator.device.type}"
    start = f"resuming from step {step}" if step else "from the beginning"
    return f"{trainer.parameter_count:,} parameters, batches of {batches.batch_size} tiles on {where}, {start}"
