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
"""Distillation from frozen teachers, and rejected teachers."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from transformers import (
    BertConfig,
    BertModel,
    BitImageProcessor,
    CLIPConfig,
    CLIPModel,
    ViTImageProcessor,
    ViTModel,
)

from modeling_gair import GairModel
from tests.helpers.objectives import (
    MEAN,
    PROCESSOR,
    STD,
    check_sentence,
    dot,
    inputs,
    objective_of,
    save_teacher,
    small_model,
)
from training.objectives.base import PretrainingModule


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


def test_teachers_see_pixels_as_from_their_own_processor(tmp_path):
    """Without rescaling and normalisation they see 0-255; with cropping, the whole photo in the size of the crop."""
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


def test_rs_distillation_compares_with_the_initial_tower():
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


def test_a_saved_gair_model_can_be_the_teacher(tmp_path):
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


def test_a_projection_maps_embeddings_to_the_teachers_width(wide_teacher):
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


def test_unsuitable_teachers_are_rejected(tmp_path, wide_teacher):
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
def test_an_rs_teacher_needs_the_same_tile_processor(tmp_path, setting):
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
