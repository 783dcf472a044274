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
"""The objective `gair`: its loss compared with plain loops, its queue and its temperature."""

import math

import pytest
import torch
import torch.nn.functional as F

from modeling_gair import gair_contrastive_loss
from tests.helpers.objectives import (
    METRES_PER_DEGREE,
    check_sentence,
    dot,
    filled,
    inputs,
    objective_of,
    random_places,
    rows_of,
    small_model,
)
from training.objectives.base import PretrainingModule


@pytest.mark.parametrize("distances", [(0, 0), (150, 1000)])
def test_by_default_the_loss_is_that_of_the_model(distances):
    config = {"temperature": 0.2, "incl_min_distance_m": distances[0], "secl_min_distance_m": distances[1]}
    rows = rows_of()
    loss, terms = objective_of(small_model(**config)).loss(rows, {})
    expected = gair_contrastive_loss(rows["sv"], rows["localized"], rows["location"], rows["coordinates"], **config)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close((terms["incl"] + terms["secl"]) / 2, expected, rtol=0, atol=1e-12)
    model = small_model(**config)
    inside, shared = PretrainingModule(model, objective_of(model))(inputs())
    torch.testing.assert_close(
        objective_of(model).loss(inside, shared)[0], model(**inputs(), return_loss=True).loss, rtol=1e-6, atol=1e-6
    )


def test_the_loss_is_the_weighted_sum():
    rows = rows_of()
    _, terms = objective_of().loss(rows, {})
    loss, _ = objective_of(incl_weight=0.3, secl_weight=2).loss(rows, {})
    torch.testing.assert_close(loss, 0.3 * terms["incl"] + 2 * terms["secl"])


def cross_entropy(logits: list[float]) -> float:
    """Of the first."""
    return math.log(sum(math.exp(logit) for logit in logits)) - logits[0]


def published_loss(rows: dict[str, torch.Tensor], queue: torch.Tensor, temperature: float) -> float:
    """(INCL + SECL) / 2 with loops: negatives from the batch for INCL, from the queue for SECL."""
    sv, localized, location = rows["sv"], rows["localized"], rows["location"]
    total = 0.0
    for i in range(len(sv)):
        for one, other in ((sv, localized), (localized, sv)):
            negatives = [other[j] for j in range(len(sv)) if j != i]
            total += cross_entropy([dot(one[i], key) / temperature for key in [other[i], *negatives]])
        for one in (sv, localized):
            total += cross_entropy([dot(one[i], key) / temperature for key in [location[i], *queue]])
    return total / (2 * len(sv))


@pytest.mark.parametrize("seen", [4, 12])
def test_with_a_queue_the_loss_is_the_published_one(seen):
    """All twelve slots are filled, or only four; empty slots are not negatives."""
    model = small_model(incl_min_distance_m=0, secl_min_distance_m=0, dtype=torch.float64)
    objective = filled(objective_of(model, queue_size=12, in_batch_places=False), random_places(seen))
    rows, shared = rows_of(width=16), objective.shared(model)
    queue = F.normalize(model.get_location_features(random_places(seen)), dim=-1)
    loss, _ = objective.loss(rows, shared)
    # The location encoder computes phases in float32, whose rounding depends on the batch size.
    assert math.isclose(loss.item(), published_loss(rows, queue, 0.07), rel_tol=1e-6)


def test_near_locations_are_not_negatives():
    """Count each row's keys by hand: with equal embeddings, the cross-entropy is the logarithm of their number."""
    model = small_model(incl_min_distance_m=150, secl_min_distance_m=1000, dtype=torch.float64)
    rows = rows_of(width=16)
    for name in ("sv", "localized", "location"):
        rows[name] = F.normalize(torch.ones(8, 16, dtype=torch.float64), dim=-1)
    queue = torch.stack([torch.tensor([10.1 + 400 / METRES_PER_DEGREE, -40.0]), torch.zeros(2)], dim=1)
    alike = {"queue": rows["sv"][:3]}
    _, terms = filled(objective_of(model, queue_size=3), queue).loss(rows, alike)
    # Photos 0 and 1, and 3 and 4, are within 150 m of each other.
    keys = [7, 7, 8, 7, 7, 8, 8, 8]
    assert math.isclose(terms["incl"].item(), 2 * sum(map(math.log, keys)) / 8, rel_tol=1e-9)
    # Within 1,000 m are also 2 of 0 and 1, and 7 of 6; of the queue's two locations, the first of 0, 1 and 2.
    keys = [6 + 1, 6 + 1, 6 + 1, 7 + 2, 7 + 2, 8 + 2, 7 + 2, 7 + 2]
    assert math.isclose(terms["secl"].item(), 2 * sum(map(math.log, keys)) / 8, rel_tol=1e-9)


def test_accuracies_are_shares_of_rows_whose_nearest_key_is_the_positive():
    rows = {name: torch.eye(8, dtype=torch.float64) for name in ("sv", "localized", "location")}
    rows["coordinates"] = inputs()["coordinates"]

    def confuse(name: str, row: int, other: int) -> None:
        rows[name][row, row], rows[name][row, other] = 0.6, 0.8

    # Photo 0 resembles photo 1, which is too near to be a negative.
    confuse("sv", 0, 1)
    confuse("sv", 5, 7)
    confuse("localized", 2, 6)
    confuse("localized", 3, 6)
    _, terms = objective_of().loss(rows, {})
    found = {name.removeprefix("accuracy_"): value.item() for name, value in terms.items() if "accuracy" in name}
    assert found == {
        "sv_localized": 7 / 8,
        "localized_sv": 6 / 8,
        "sv_location": 7 / 8,
        "localized_location": 6 / 8,
    }


def test_the_loss_is_computed_in_full_precision():
    model = small_model()
    objective = objective_of(model, queue_size=4, temperature_learned=True)
    rows, shared = PretrainingModule(model, objective)(inputs())
    expected, _ = objective.loss(rows, shared)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = objective.loss(rows, shared)
    assert loss.dtype == torch.float32 and torch.equal(loss, expected)
    halves = {name: value if name == "coordinates" else value.bfloat16() for name, value in rows.items()}
    loss, terms = objective.loss(halves, shared)
    assert loss.dtype == terms["secl"].dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=0.05, atol=0)


# The queue and the temperature ----------------------------------------------------------------------------------------


def test_the_queue_holds_the_newest_locations():
    objective, places = objective_of(queue_size=5), random_places(20)
    kept: list[list[float]] = []
    for start, stop, oldest in ((0, 3, 3), (3, 7, 2), (7, 7, 2), (7, 19, 2), (19, 20, 3)):
        objective.after_step(small_model(), {"coordinates": places[start:stop]})
        kept = [*kept, *places[start:stop].tolist()][-5:]
        held = objective.queue[: objective.queue_filled].tolist()
        assert sorted(held) == sorted(kept)
        assert (objective.queue_filled.item(), objective.queue_next.item()) == (len(kept), oldest)
        # The oldest is overwritten next.
        assert len(kept) < 5 or held[oldest] == kept[0]
    assert {"queue", "queue_filled", "queue_next"} <= set(objective.state_dict())


def test_the_queue_is_embedded_at_every_step_with_gradient():
    model = small_model()
    objective = filled(objective_of(model, queue_size=6, in_batch_places=False), random_places(4))
    shared = objective.shared(model)
    assert shared["queue"].shape == (6, 16)
    loss, _ = objective.loss({**rows_of(width=16), "location": rows_of(width=16)["sv"]}, shared)
    loss.backward()
    assert model.location_model.capsules[0].head.weight.grad.abs().sum() > 0
    with torch.no_grad():
        model.location_model.capsules[0].head.weight.mul_(-1)
    assert not torch.allclose(objective.shared(model)["queue"], shared["queue"])


def test_a_learned_temperature_has_a_gradient_and_stays_in_its_range():
    model = small_model(temperature=0.2)
    objective = objective_of(model, temperature_learned=True, temperature_range=[0.05, 0.4])
    assert math.isclose(objective.temperature, 0.2, rel_tol=1e-6)

    def loss_at(log_temperature: torch.Tensor) -> torch.Tensor:
        return objective.loss(rows_of(), {"log_temperature": log_temperature})[0]

    at = torch.tensor(math.log(0.2), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss_at, (at,))
    objective.loss(rows_of(), objective.shared(model))[0].backward()
    assert objective.log_temperature.grad != 0
    for log_temperature, bound in ((9.0, 0.4), (-9.0, 0.05), (math.log(0.3), 0.3)):
        objective.log_temperature.data.fill_(log_temperature)
        objective.after_step(model, rows_of())
        assert math.isclose(objective.temperature, bound, rel_tol=1e-6)
        told = objective.loss(rows_of(), objective.shared(model))[1]["temperature"]
        assert math.isclose(told, bound, rel_tol=1e-6)
    assert math.isclose(objective_of(model).temperature, 0.2, rel_tol=1e-6)
    assert not list(objective_of(model, queue_size=3).parameters())


def test_a_learned_temperature_must_start_in_its_range():
    model = small_model(temperature=0.7)
    with pytest.raises(ValueError, match=r"temperature is 0\.7, outside temperature_range \[0\.01, 0\.5\]") as raised:
        objective_of(model, temperature_learned=True)
    check_sentence(raised)
    assert objective_of(model).temperature.item() == 0.7
