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
"""GAIR's contrastive objective over the batches of all processes, with a queue and distillation."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributed.tensor import DTensor

from modeling_gair import GairModel, GairProcessor, great_circle_distance_m
from training.common.distributed import gather_rows, gather_with_grad, row_counts, row_offset
from training.objectives.base import Objective, Tensors, precise, row_losses, share_of_mean
from training.objectives.settings import GairSettings
from training.objectives.teachers import Distillation, RSTeacher, SVTeacher


class GairObjective(Objective):
    """
    The objective of GAIR (arXiv 2503.16683): `INCL + SECL`, weighted, plus distillation.

    INCL aligns photos s with tiles read at the photos' points q, `CE(s qᵀ/τ) + CE(q sᵀ/τ)`; SECL aligns both with their
    locations l, `CE(s lᵀ/τ) + CE(q lᵀ/τ)`. The negatives are the rows of all processes' batches and, for SECL, a queue of
    earlier coordinates, which the location encoder embeds again at every step, with gradient. Pairs closer than the
    config's `incl_min_distance_m` and `secl_min_distance_m` are not negatives of each other. Distillation adds `-cos` of
    the embedding of each photo and tile with that of a frozen teacher.

    Args:
        model (`GairModel`): the model to train; no reference is kept.
        processor (`GairProcessor`): the processor of the model's inputs.
        settings (`GairSettings`): weights, queue, teachers.

    Raises:
        ValueError: the config's temperature is outside the range of a learned one, or a teacher does not fit.
    """

    aligns = True
    queue: torch.Tensor
    queue_filled: torch.Tensor
    queue_next: torch.Tensor

    def __init__(self, model: GairModel, processor: GairProcessor, settings: GairSettings):
        super().__init__()
        self.settings = settings
        self.initial_temperature = float(model.config.temperature)
        self.incl_min_distance_m = model.config.incl_min_distance_m
        self.secl_min_distance_m = model.config.secl_min_distance_m
        if settings.temperature_learned:
            # One element rather than a scalar, since FSDP2 cannot shard scalars.
            self.log_temperature = nn.Parameter(torch.tensor([self._checked_log_temperature()]))
        if settings.queue_size:
            # lon, lat in degrees. The counts are tensors, so that filling the queue does not wait for the device.
            self.register_buffer("queue", torch.zeros(settings.queue_size, 2))
            self.register_buffer("queue_filled", torch.zeros((), dtype=torch.int64))
            self.register_buffer("queue_next", torch.zeros((), dtype=torch.int64))
        if settings.secl_weight == 0:
            model.location_model.requires_grad_(False)
        if model.config.query_mode != "nili":
            model.nili.requires_grad_(False)
        self.distillations = nn.ModuleDict()
        width = model.rs_model.hidden_size
        if settings.sv_teacher is not None:
            sv_teacher = SVTeacher(settings.sv_teacher, processor)
            self.distillations["sv"] = Distillation(sv_teacher, width, "sv_teacher", settings.sv_teacher_projection)
        if settings.rs_teacher is not None:
            rs_teacher = RSTeacher(settings.rs_teacher, model, processor)
            self.distillations["rs"] = Distillation(rs_teacher, width, "rs_teacher", settings.rs_teacher_projection)

    def _checked_log_temperature(self) -> float:
        low, high = self.settings.temperature_range
        if not low <= self.initial_temperature <= high:
            raise ValueError(
                f"The model's temperature is {self.initial_temperature}, outside temperature_range {[low, high]}; change "
                "one of them."
            )
        return math.log(self.initial_temperature)

    @property
    def temperature(self) -> torch.Tensor:
        """The current temperature, a scalar without gradient. All processes must read it, since it may be sharded."""
        if self.settings.temperature_learned:
            log_temperature: Any = self.log_temperature.detach()
            if isinstance(log_temperature, DTensor):
                log_temperature = log_temperature.full_tensor()
            return log_temperature.exp().squeeze()
        return torch.tensor(self.initial_temperature, dtype=torch.float64)

    def embed(self, model: GairModel, inputs: Tensors) -> Tensors:
        """
        Embed a part of a batch.

        Returns:
            `dict[str, torch.Tensor]`: `sv`, `localized`, `location` `(N, D)`, L2-normalised; `coordinates` `(N, 2)`, lon,
            lat in degrees; with teachers, `sv_teacher_cosine` `(N,)` and `rs_teacher_cosine` `(T,)`: cosines of the
            embeddings with the teacher's.
        """
        outputs = model(**inputs)
        rows = {
            "sv": outputs.sv_embeds,
            "localized": outputs.localized_rs_embeds[:, 0],
            "location": outputs.location_embeds,
            "coordinates": inputs["coordinates"],
        }
        students = {"sv": outputs.sv_embeds, "rs": outputs.rs_embeds}
        for tower, distillation in self.distillations.items():
            rows[f"{tower}_teacher_cosine"] = distillation(students[tower], inputs[f"{tower}_pixel_values"])
        return rows

    def shared(self, model: GairModel) -> Tensors:
        """
        Embed the queue.

        Returns:
            `dict[str, torch.Tensor]`: with a queue, `queue` `(queue_size, D)`: current embeddings of its coordinates,
            L2-normalised, including unfilled slots; with a learned temperature, `log_temperature`, a scalar.
        """
        shared = {}
        if self.settings.queue_size:
            shared["queue"] = F.normalize(model.get_location_features(self.queue), dim=-1)
        if self.settings.temperature_learned:
            shared["log_temperature"] = self.log_temperature.squeeze()
        return shared

    def loss(self, rows: Tensors, shared: Tensors) -> tuple[torch.Tensor, Tensors]:
        """
        The terms are `incl`, `secl`, `sv_distillation` and `rs_distillation` (with these teachers; all unweighted),
        `temperature`, and the shares of rows whose nearest key is their positive: `accuracy_sv_localized`, `accuracy_localized_sv`,
        `accuracy_sv_location`, `accuracy_localized_location`.
        """
        with torch.autocast(rows["sv"].device.type, enabled=False):
            rows, shared = ({name: precise(value) for name, value in part.items()} for part in (rows, shared))
            losses, terms = self._contrast(rows, shared)
            for tower in self.distillations:
                cosines = rows[f"{tower}_teacher_cosine"]
                losses[f"{tower}_distillation"] = -share_of_mean(cosines, row_counts(len(cosines)))
            weights = {name: getattr(self.settings, f"{name}_weight") for name in losses}
            loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        terms |= {name: value.detach() for name, value in losses.items()}
        return loss, terms

    def _contrast(self, rows: Tensors, shared: Tensors) -> tuple[Tensors, Tensors]:
        """INCL and SECL, and further terms for the log."""
        sv, localized, coordinates = rows["sv"], rows["localized"], rows["coordinates"].detach().float()
        learned = "log_temperature" in shared
        temperature = shared["log_temperature"].exp() if learned else sv.new_full((), self.initial_temperature)
        counts = row_counts(len(sv))
        # One exchange for all three.
        keys = gather_with_grad(torch.stack([sv, localized, rows["location"]], dim=1), counts)
        all_sv, all_localized, all_location = keys.unbind(dim=1)
        own = torch.arange(len(sv), device=sv.device) + row_offset(counts)
        distance = _distances_m(coordinates, gather_rows(coordinates, counts))

        near = distance < self.incl_min_distance_m
        places, no_negatives = self._places(all_location, distance, coordinates, shared)
        contrasts = {
            "sv_localized": row_losses(sv, all_localized, own, near, temperature),
            "localized_sv": row_losses(localized, all_sv, own, near, temperature),
            "sv_location": row_losses(sv, places, own, no_negatives, temperature),
            "localized_location": row_losses(localized, places, own, no_negatives, temperature),
        }
        found = {name: share_of_mean(losses, counts) for name, (losses, _) in contrasts.items()}
        losses = {
            "incl": found["sv_localized"] + found["localized_sv"],
            "secl": found["sv_location"] + found["localized_location"],
        }
        terms = {f"accuracy_{name}": share_of_mean(right, counts) for name, (_, right) in contrasts.items()}
        return losses, terms | {"temperature": temperature.detach()}

    def _places(
        self, location: torch.Tensor, distance: torch.Tensor, coordinates: torch.Tensor, shared: Tensors
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The keys of SECL, from the batch and the queue, and which of them are not negatives of each row."""
        no_negatives = distance < self.secl_min_distance_m
        if not self.settings.in_batch_places:
            # The row's own location remains its positive.
            no_negatives = torch.ones_like(no_negatives)
        if not self.settings.queue_size:
            return location, no_negatives
        empty = torch.arange(self.settings.queue_size, device=location.device) >= self.queue_filled
        near = _distances_m(coordinates, self.queue.float()) < self.secl_min_distance_m
        return torch.cat([location, shared["queue"]]), torch.cat([no_negatives, near | empty], dim=1)

    @torch.no_grad()
    def after_step(self, model: GairModel, rows: Tensors) -> None:
        """
        Write the coordinates of the global batch over the oldest ones in the queue, and clamp a learned temperature to its
        range. The queues of all processes stay equal.
        """
        if self.settings.queue_size:
            coordinates = rows["coordinates"]
            # If there are more than the queue holds, the last ones are kept.
            new = gather_rows(coordinates, row_counts(len(coordinates)))[-self.settings.queue_size :]
            slots = (self.queue_next + torch.arange(len(new), device=new.device)) % self.settings.queue_size
            self.queue.index_copy_(0, slots, new.to(self.queue.dtype))
            self.queue_next.add_(len(new)).remainder_(self.settings.queue_size)
            self.queue_filled.add_(len(new)).clamp_(max=self.settings.queue_size)
        if self.settings.temperature_learned:
            low, high = self.settings.temperature_range
            self.log_temperature.clamp_(math.log(low), math.log(high))


def _distances_m(places: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Great-circle distances in metres `(N, M)` between locations `(N, 2)` and `(M, 2)`, lon, lat in degrees."""
    return great_circle_distance_m(places[:, :1], places[:, 1:], others[:, 0], others[:, 1])
