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
"""The objective against plain loops, on one process and on two; the queue, the temperature, the teachers."""

import copy
import math
import re
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from transformers import (
    BertConfig,
    BertModel,
    BitImageProcessor,
    CLIPConfig,
    CLIPModel,
    ViTImageProcessor,
    ViTModel,
)

from modeling_gair import GairModel, gair_contrastive_loss
from tests.helpers.objectives import (
    MEAN,
    METRES_PER_DEGREE,
    PHOTOS,
    PROCESSOR,
    STD,
    TILES,
    filled,
    inputs,
    objective_of,
    part,
    random_places,
    rows_of,
    save_teacher,
    small_model,
)
from training.common.distributed import mean_over_ranks
from training.objectives.base import PretrainingModule
from training.objectives.registry import make_objective
from training.objectives.settings import GairSettings, MocoV3Settings

# ---------------------------------------------------------------------------------------------------------------------
# The loss on one process
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distances", [(0, 0), (150, 1000)])
def test_without_extras_it_is_the_models_own_loss(distances):
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


def test_weights_weigh():
    rows = rows_of()
    _, terms = objective_of().loss(rows, {})
    loss, _ = objective_of(incl_weight=0.3, secl_weight=2).loss(rows, {})
    torch.testing.assert_close(loss, 0.3 * terms["incl"] + 2 * terms["secl"])


def cross_entropy(logits: list[float]) -> float:
    """Of the first."""
    return math.log(sum(math.exp(logit) for logit in logits)) - logits[0]


def dot(one: torch.Tensor, other: torch.Tensor) -> float:
    return sum(a * b for a, b in zip(one.tolist(), other.tolist()))


def published_loss(rows: dict[str, torch.Tensor], queue: torch.Tensor, temperature: float) -> float:
    """(INCL + SECL) / 2 by loops: negatives in the batch for INCL, in the queue for SECL."""
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
def test_with_a_queue_it_is_the_published_loss(seen):
    """Of twelve slots all are filled, or only four, and the others are no negatives."""
    model = small_model(incl_min_distance_m=0, secl_min_distance_m=0, dtype=torch.float64)
    objective = filled(objective_of(model, queue_size=12, in_batch_places=False), random_places(seen))
    rows, shared = rows_of(width=16), objective.shared(model)
    queue = F.normalize(model.get_location_features(random_places(seen)), dim=-1)
    loss, _ = objective.loss(rows, shared)
    # Phases of the location encoder are in float32, and their rounding differs with the size of the batch.
    assert math.isclose(loss.item(), published_loss(rows, queue, 0.07), rel_tol=1e-6)


def test_near_places_are_no_negatives():
    """Each row's keys counted by hand: with all embeddings alike, the cross-entropy is the logarithm of their number."""
    model = small_model(incl_min_distance_m=150, secl_min_distance_m=1000, dtype=torch.float64)
    rows = rows_of(width=16)
    for name in ("sv", "localized", "location"):
        rows[name] = F.normalize(torch.ones(8, 16, dtype=torch.float64), dim=-1)
    queue = torch.stack([torch.tensor([10.1 + 400 / METRES_PER_DEGREE, -40.0]), torch.zeros(2)], dim=1)
    alike = {"queue": rows["sv"][:3]}
    _, terms = filled(objective_of(model, queue_size=3), queue).loss(rows, alike)
    # Of the photos 0 and 1, and 3 and 4, lie within 150 m.
    keys = [7, 7, 8, 7, 7, 8, 8, 8]
    assert math.isclose(terms["incl"].item(), 2 * sum(map(math.log, keys)) / 8, rel_tol=1e-9)
    # Within 1,000 m lie also 2 of 0 and 1, and 7 of 6; of the queue's two places the first of 0, 1 and 2.
    keys = [6 + 1, 6 + 1, 6 + 1, 7 + 2, 7 + 2, 8 + 2, 7 + 2, 7 + 2]
    assert math.isclose(terms["secl"].item(), 2 * sum(map(math.log, keys)) / 8, rel_tol=1e-9)


def test_accuracies_are_shares_of_rows_whose_best_key_is_their_own():
    rows = {name: torch.eye(8, dtype=torch.float64) for name in ("sv", "localized", "location")}
    rows["coordinates"] = inputs()["coordinates"]

    def confuse(name: str, row: int, other: int) -> None:
        rows[name][row, row], rows[name][row, other] = 0.6, 0.8

    # That photo 0 looks like photo 1 does not count: they are too near.
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


# ---------------------------------------------------------------------------------------------------------------------
# The queue and the temperature
# ---------------------------------------------------------------------------------------------------------------------


def test_the_queue_holds_the_newest_places():
    objective, places = objective_of(queue_size=5), random_places(20)
    kept: list[list[float]] = []
    for start, stop, oldest in ((0, 3, 3), (3, 7, 2), (7, 7, 2), (7, 19, 2), (19, 20, 3)):
        objective.after_step(small_model(), {"coordinates": places[start:stop]})
        kept = [*kept, *places[start:stop].tolist()][-5:]
        held = objective.queue[: objective.queue_filled].tolist()
        assert sorted(held) == sorted(kept)
        assert (objective.queue_filled.item(), objective.queue_next.item()) == (len(kept), oldest)
        # The next to be overwritten is the oldest.
        assert len(kept) < 5 or held[oldest] == kept[0]
    assert {"queue", "queue_filled", "queue_next"} <= set(objective.state_dict())


def test_places_of_the_queue_are_embedded_anew_with_gradient():
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


def test_a_learned_temperature_gets_its_gradient_and_stays_in_its_range():
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


# ---------------------------------------------------------------------------------------------------------------------
# Teachers
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sv_teacher(tmp_path_factory) -> str:
    return save_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def wide_teacher(tmp_path_factory) -> str:
    return save_teacher(tmp_path_factory.mktemp("wide"), width=24)


def cosines(one: torch.Tensor, other: torch.Tensor) -> list[float]:
    return [dot(a, b) / math.sqrt(dot(a, a) * dot(b, b)) for a, b in zip(one, other)]


def test_sv_distillation_compares_with_the_teacher_on_its_own_pixels(sv_teacher):
    model = small_model()
    objective = objective_of(model, sv_teacher=sv_teacher, sv_distillation_weight=0.7)
    batch, ours = inputs(), PROCESSOR.sv_image_processor
    rows = objective.embed(model, batch)
    digits = batch["sv_pixel_values"] * torch.tensor(ours.image_std)[:, None, None]
    digits = digits + torch.tensor(ours.image_mean)[:, None, None]
    pixels = (digits / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    pixels = F.interpolate(pixels, size=(24, 24), mode="bicubic", antialias=True)
    with torch.no_grad():
        teacher = ViTModel.from_pretrained(sv_teacher)(pixels).pooler_output
        expected = cosines(model.get_sv_features(batch["sv_pixel_values"]), teacher)
    torch.testing.assert_close(rows["sv_teacher_cosine"], torch.tensor(expected), rtol=1e-4, atol=1e-5)
    loss, terms = objective.loss(rows, {})
    assert math.isclose(terms["sv_distillation"], -sum(expected) / 8, abs_tol=1e-5)
    plain, _ = objective_of(model).loss(rows, {})
    assert math.isclose((loss - plain).item(), -0.7 * sum(expected) / 8, abs_tol=1e-5)


def test_the_teachers_processor_decides_what_it_sees(tmp_path):
    """One that neither rescales nor normalises sees 0-255; one that crops, the whole photo in the crop's size."""
    plain = ViTImageProcessor(size={"height": 24, "width": 24}, do_rescale=False, do_normalize=False)
    objective = objective_of(sv_teacher=save_teacher(tmp_path / "plain", processor=plain))
    ours, teacher = PROCESSOR.sv_image_processor, objective.distillations["sv"].teacher
    torch.testing.assert_close(teacher.scale.flatten(), torch.tensor(ours.image_std))
    torch.testing.assert_close(teacher.shift.flatten(), torch.tensor(ours.image_mean))
    crops = BitImageProcessor(size={"shortest_edge": 30}, crop_size=24)
    shortest = BitImageProcessor(size={"shortest_edge": 24}, do_center_crop=False)
    for name, processor in (("crops", crops), ("shortest", shortest)):
        objective = objective_of(sv_teacher=save_teacher(tmp_path / name, processor=processor))
        assert objective.distillations["sv"].teacher.size == (24, 24)


def test_a_teacher_without_pooled_output_gives_the_mean_of_its_tokens(sv_teacher, monkeypatch):
    objective = objective_of(sv_teacher=sv_teacher)
    vit = objective.distillations["sv"].teacher.model
    monkeypatch.setattr(vit, "pooler", None)
    pixels = inputs()["sv_pixel_values"]
    seen: list[torch.Tensor] = []
    vit.register_forward_hook(lambda _, __, outputs: seen.append(outputs.last_hidden_state))
    embeds = objective.distillations["sv"].teacher(pixels)
    torch.testing.assert_close(embeds, seen[0].sum(1) / 10)


def test_rs_distillation_keeps_to_the_tower_as_it_was():
    model = small_model()
    first = copy.deepcopy(model.rs_model)
    objective = objective_of(model, rs_teacher="initial")
    batch = inputs()
    torch.testing.assert_close(objective.embed(model, batch)["rs_teacher_cosine"], torch.ones(5))
    with torch.no_grad():
        for parameter in model.rs_model.parameters():
            parameter.add_(torch.randn_like(parameter) / 3)
        rows = objective.embed(model, batch)
        expected = cosines(
            *(tower(batch["rs_pixel_values"]).last_hidden_state.mean(1) for tower in (model.rs_model, first))
        )
    torch.testing.assert_close(rows["rs_teacher_cosine"], torch.tensor(expected), rtol=1e-4, atol=1e-5)
    assert max(expected) < 0.99
    _, terms = objective.loss(rows, {})
    assert math.isclose(terms["rs_distillation"], -sum(expected) / 5, abs_tol=1e-5)


def test_a_saved_gair_model_teaches(tmp_path):
    torch.manual_seed(3)
    teacher = GairModel(small_model().config)
    teacher.save_pretrained(tmp_path)
    PROCESSOR.save_pretrained(tmp_path)
    model = small_model()
    objective = objective_of(model, rs_teacher=str(tmp_path))
    with torch.no_grad():
        rows = objective.embed(model, inputs())
        expected = cosines(
            *(each.get_rs_features(inputs()["rs_pixel_values"]) for each in (model, teacher)),
        )
    torch.testing.assert_close(rows["rs_teacher_cosine"], torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_a_projection_maps_our_embedding_to_the_teachers_width(wide_teacher):
    model = small_model()
    objective = objective_of(model, sv_teacher=wide_teacher, sv_teacher_projection="linear")
    distillation = objective.distillations["sv"]
    assert distillation.projection.weight.shape == (24, 16)
    pixels = inputs()["sv_pixel_values"]
    student = distillation.projection(F.normalize(model.get_sv_features(pixels), dim=-1))
    expected = cosines(student.detach(), distillation.teacher(pixels))
    found = objective.embed(model, inputs())["sv_teacher_cosine"]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_teachers_are_frozen(sv_teacher):
    model = small_model()
    module = PretrainingModule(model, objective_of(model, sv_teacher=sv_teacher, rs_teacher="initial"))
    teachers = [distillation.teacher for distillation in module.objective.distillations.values()]
    assert len(teachers) == 2
    for mode in (True, False):
        module.train(mode)
        assert model.training is module.objective.training is mode
        assert not any(part.training for teacher in teachers for part in teacher.modules())
    assert not any(parameter.requires_grad for teacher in teachers for parameter in teacher.parameters())
    assert not any(
        id(own) == id(parameter) for own in module.objective.parameters() for parameter in model.parameters()
    )


# ---------------------------------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature_learned": 1}, "temperature_learned is 1; expected true or false"),
        ({"in_batch_places": "no", "queue_size": 3}, "in_batch_places is 'no'; expected true or false"),
        ({"incl_weight": -1}, "incl_weight is -1; expected a finite number of at least 0"),
        ({"secl_weight": math.nan}, "secl_weight is nan; expected a finite number"),
        ({"sv_distillation_weight": True}, "sv_distillation_weight is True; expected a finite number"),
        ({"rs_distillation_weight": "high"}, "rs_distillation_weight is 'high'; expected a finite number"),
        ({"temperature_range": 0.1}, "temperature_range is 0.1; expected two numbers"),
        ({"temperature_range": [0.1]}, r"temperature_range is \[0.1\]; expected two numbers"),
        ({"temperature_range": [0.1, "x"]}, "expected two numbers, e.g."),
        ({"temperature_range": [0.5, 0.01]}, "the smaller first"),
        ({"temperature_range": [0, 0.1]}, "two numbers above 0"),
        ({"queue_size": -1}, "queue_size is -1, expected a whole number of at least 0"),
        ({"queue_size": 1.5}, "queue_size is 1.5, expected a whole number"),
        ({"in_batch_places": False}, "leaves SECL without negatives; set queue_size"),
        ({"sv_teacher": ""}, "sv_teacher is ''; expected a model id or a directory"),
        ({"rs_teacher": 3}, "rs_teacher is 3; expected a model id or a directory"),
        (
            {"rs_teacher": "initial", "rs_teacher_projection": "mlp"},
            "rs_teacher_projection is 'mlp'; expected 'linear'",
        ),
        ({"sv_teacher_projection": "linear"}, "without a teacher; set sv_teacher or leave it out"),
    ],
)
def test_a_wrong_setting_is_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        GairSettings(**settings)
    check_sentence(raised)


def check_sentence(raised: pytest.ExceptionInfo) -> None:
    text = str(raised.value)
    assert "\n" not in text and text.endswith(".") and not re.search(r"[a-z]\. [A-Z]", text)


def test_a_learned_temperature_must_start_in_its_range():
    model = small_model(temperature=0.7)
    with pytest.raises(ValueError, match=r"temperature is 0\.7, outside temperature_range \[0\.01, 0\.5\]") as raised:
        objective_of(model, temperature_learned=True)
    check_sentence(raised)
    assert objective_of(model).temperature.item() == 0.7


def test_a_teacher_that_does_not_fit_is_named(tmp_path, wide_teacher):
    def refused(sentence: str, **settings) -> None:
        with pytest.raises(ValueError, match=sentence) as raised:
            objective_of(**settings)
        check_sentence(raised)

    refused(
        "embeddings of sv_teacher are 24 wide and the model's 16; set sv_teacher_projection", sv_teacher=wide_teacher
    )
    for tower in ("sv", "rs"):
        refused(f"{tower}_teacher .*missing' cannot be loaded", **{f"{tower}_teacher": str(tmp_path / "missing")})
    refused("is a ViTModel; expected a GairModel, or 'initial'", rs_teacher=wide_teacher)
    poolless = save_teacher(tmp_path / "poolless", pooled=False)
    refused("lacks weights of a ViTModel, e.g. pooler.dense.bias", sv_teacher=poolless)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(**small, vocab_size=9)).save_pretrained(tmp_path / "bert")
    refused("sv_teacher .*bert' cannot be loaded", sv_teacher=str(tmp_path / "bert"))
    CLIPModel(
        CLIPConfig(text_config={**small, "vocab_size": 9}, vision_config={**small, "image_size": 32})
    ).save_pretrained(tmp_path / "clip")
    ViTImageProcessor().save_pretrained(tmp_path / "clip")
    refused("is a CLIPModel with a .*expected an image model", sv_teacher=str(tmp_path / "clip"))


@pytest.mark.parametrize("setting", ["bands", "band_mean", "band_std", "clip_range"])
def test_an_rs_teacher_must_have_seen_such_tiles(tmp_path, setting):
    small_model().save_pretrained(tmp_path)
    other = copy.deepcopy(PROCESSOR)
    value = getattr(other.image_processor, setting)
    changes = {"bands": lambda: value[::-1], "clip_range": lambda: None}
    changed = changes.get(setting, lambda: {**value, "B02": 1.0})()
    setattr(other.image_processor, setting, changed)
    other.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"was trained on tiles with {setting} .* same tile processor") as raised:
        objective_of(rs_teacher=str(tmp_path))
    check_sentence(raised)


# ---------------------------------------------------------------------------------------------------------------------
# The module, on one process and on two
# ---------------------------------------------------------------------------------------------------------------------


def cases(folder: str) -> dict[str, dict]:
    """Settings of objectives that a step is compared for."""
    return {
        "plain": {},
        "published": {"queue_size": 9, "in_batch_places": False},
        "without places": {"secl_weight": 0},
        "all": {
            "queue_size": 20,
            "temperature_learned": True,
            "sv_teacher": folder,
            "sv_teacher_projection": "linear",
            "rs_teacher": "initial",
            "rs_teacher_projection": "linear",
        },
    }


CASES = list(cases(""))
DTYPES = {"float64": torch.float64, "float32": torch.float32}
TOLERANCES = {"float64": 1e-6, "float32": 1e-4}


def make_module(case: str, folder: str, dtype: torch.dtype, places: torch.Tensor) -> PretrainingModule:
    """Always the same, with the places of all processes in the queue."""
    distances = {"incl_min_distance_m": 0, "secl_min_distance_m": 0}
    config = {"published": distances, "without places": {"query_mode": "bilinear"}}
    model = small_model(**config.get(case, {}))
    module = PretrainingModule(model, objective_of(model, **cases(folder)[case])).to(dtype)
    module.objective.after_step(module.model, {"coordinates": places})
    return module


def two_steps(module: torch.nn.Module, batches: list[dict[str, torch.Tensor]]) -> list[dict]:
    """Trains on the batches, and tells of each step: the loss and its terms over all processes, and the gradients."""
    bare = module.module if isinstance(module, DistributedDataParallel) else module
    told = []
    for batch in batches:
        rows, shared = module(batch)
        loss, terms = bare.objective.loss(rows, shared)
        loss.backward()
        trained = {name: parameter for name, parameter in bare.named_parameters() if parameter.requires_grad}
        gradients = {name: parameter.grad for name, parameter in trained.items()}
        told.append({"terms": mean_over_ranks(terms | {"loss": loss.detach()}), "gradients": gradients})
        with torch.no_grad():
            for parameter in trained.values():
                parameter -= 0.05 * parameter.grad
        module.zero_grad(set_to_none=True)
        bare.objective.after_step(bare.model, rows)
        told[-1]["queue"] = {name: value.clone() for name, value in bare.objective.named_buffers() if "queue" in name}
    return told


def view_rows(rank: int | None = None) -> dict[str, torch.Tensor]:
    """Made rows of MoCo v3: those of one of two processes, or all."""
    generator = torch.Generator().manual_seed(0)
    rows = {}
    for tower, counts in (("rs", TILES), ("sv", PHOTOS)):
        for name in ("query_0", "query_1", "key_0", "key_1"):
            drawn = torch.randn(sum(counts), 6, generator=generator, dtype=torch.float64)
            whole = F.normalize(drawn, dim=1)
            rows[f"{tower}_{name}"] = whole if rank is None else whole.split(counts)[rank]
    return rows


def moco_v3_step(rows: dict[str, torch.Tensor]) -> dict:
    """The loss over all processes, and the gradient of each query."""
    objective = make_objective(small_model(), PROCESSOR, MocoV3Settings(projection_size=6, projection_hidden_size=8))
    leaves = {name: value.clone().requires_grad_("query" in name) for name, value in rows.items()}
    loss, terms = objective.loss(leaves, {})
    loss.backward()
    gradients = {name: value.grad for name, value in leaves.items() if value.requires_grad}
    return {"terms": mean_over_ranks(terms | {"loss": loss.detach()}), "gradients": gradients}


def train_on_part(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/rendezvous", timedelta(minutes=3), rank=rank, world_size=2)
    told = {}
    for case in CASES:
        for name, dtype in DTYPES.items():
            # As training does: the queues stay the same without being sent.
            bare = make_module(case, folder, dtype, random_places(4).split([1, 3])[rank])
            module = DistributedDataParallel(bare, broadcast_buffers=False)
            told[case, name] = two_steps(module, [part(inputs(seed), rank) for seed in (1, 2)])
    told["moco_v3"] = moco_v3_step(view_rows(rank))
    torch.save(told, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def on_two_processes(tmp_path_factory) -> tuple[str, list[dict]]:
    """The folder with the teacher, and what each process tells of all cases."""
    folder = tmp_path_factory.mktemp("processes")
    save_teacher(folder, width=24)
    mp.spawn(train_on_part, (str(folder),), nprocs=2)
    return str(folder), [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_as_one_does_on_the_whole_batch(on_two_processes, case, dtype):
    folder, told = on_two_processes
    module = make_module(case, folder, DTYPES[dtype], random_places(4))
    tolerance = {"rtol": TOLERANCES[dtype], "atol": TOLERANCES[dtype]}
    alone = two_steps(module, [inputs(seed) for seed in (1, 2)])
    for rank in range(2):
        for step, expected in enumerate(alone):
            found = told[rank][case, dtype][step]
            assert found["terms"].keys() == expected["terms"].keys()
            for name, value in expected["terms"].items():
                assert math.isclose(found["terms"][name], value, rel_tol=TOLERANCES[dtype], abs_tol=TOLERANCES[dtype])
            assert found["gradients"].keys() == expected["gradients"].keys()
            for name, gradient in expected["gradients"].items():
                torch.testing.assert_close(
                    found["gradients"][name], gradient, **tolerance, msg=lambda m, n=name: f"{n}: {m}"
                )
            assert found["queue"].keys() == expected["queue"].keys()
            for name, values in expected["queue"].items():
                assert torch.equal(found["queue"][name], values)


def test_moco_v3_finds_its_negatives_on_both_processes(on_two_processes):
    _, told = on_two_processes
    alone = moco_v3_step(view_rows())
    for rank in range(2):
        found = told[rank]["moco_v3"]
        assert found["terms"] == pytest.approx(alone["terms"], abs=1e-9)
        for name, gradient in alone["gradients"].items():
            own = gradient.split(TILES if name.startswith("rs") else PHOTOS)[rank]
            # Processes' gradients are averaged, and each has its own rows alone.
            torch.testing.assert_close(found["gradients"][name] / 2, own)


@pytest.mark.parametrize("in_batch_places", [True, False])
@pytest.mark.parametrize("temperature_learned", [True, False])
def test_every_parameter_gets_a_gradient(wide_teacher, in_batch_places, temperature_learned):
    """Before the queue holds anything and after; a parameter without one would leave DDP's gradients unreduced."""
    teachers = {"sv_teacher": wide_teacher, "sv_teacher_projection": "linear", "rs_teacher": "initial"}
    for more in ({}, {"incl_weight": 0, "secl_weight": 0}, teachers, teachers | {"rs_teacher_projection": "linear"}):
        model = small_model()
        settings = {"queue_size": 6, "in_batch_places": in_batch_places, "temperature_learned": temperature_learned}
        module = PretrainingModule(model, objective_of(model, **settings, **more))
        for seed in (1, 2):
            rows, shared = module(inputs(seed))
            module.zero_grad(set_to_none=True)
            module.objective.loss(rows, shared)[0].backward()
            trained = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
            assert [name for name in trained if module.get_parameter(name).grad is None] == []
            assert all(module.get_parameter(name).grad.isfinite().all() for name in trained)
            module.objective.after_step(module.model, rows)


def test_parts_together_are_the_whole(wide_teacher):
    model = small_model()
    teachers = {"sv_teacher": wide_teacher, "sv_teacher_projection": "linear", "rs_teacher": "initial"}
    module = PretrainingModule(model, objective_of(model, **teachers, queue_size=3))
    whole, shared = module(inputs())
    parts = [module(part(inputs(), number), with_shared=False) for number in range(2)]
    assert set(shared) == {"queue"} and [shared for _, shared in parts] == [{}, {}]
    embeds = {"sv", "localized", "location", "coordinates"}
    assert set(whole) == embeds | {"sv_teacher_cosine", "rs_teacher_cosine"}
    assert set(objective_of(model).embed(model, inputs())) == embeds
    for name, values in whole.items():
        torch.testing.assert_close(torch.cat([rows[name] for rows, _ in parts]), values)
        assert values.requires_grad == (name != "coordinates")
