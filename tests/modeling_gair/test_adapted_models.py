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
"""Models whose layers are adapted (LoRA), quantised or offloaded: all forms of the model follow the changed layers."""

import copy

import pytest
import torch

from modeling_gair import GairConfig, GairModel
from tests.helpers.models import draw_pixels


def _model(encoder: str = "equal_earth_rff", width: int = 96) -> GairModel:
    torch.manual_seed(0)
    tower = {"hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 4 * width}
    config = GairConfig.tiny(
        nili_init="normal",
        rs_config=tower,
        sv_config={**tower, "image_size": 64, "patch_size": 16},
        location_config={"encoder": encoder, "scales": [0.25, 1.0], "num_frequencies": 64, "hidden_size": 256},
    )
    return draw_pixels(GairModel(config).eval()).requires_grad_(False)


@pytest.fixture(scope="module")
def inputs():
    generator = torch.Generator().manual_seed(1)
    return {
        "rs_pixel_values": torch.rand(2, 10, 96, 96, generator=generator),
        "sv_pixel_values": torch.randn(2, 3, 64, 64, generator=generator),
        "coordinates": torch.tensor([[13.4, 52.5], [-83.2, 42.4]]),
        "query_points": torch.rand(2, 5, 2, generator=generator),
    }


def _embeddings(model, inputs) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        outputs = model(**inputs)
    names = ("rs_embeds", "localized_rs_embeds", "sv_embeds", "location_embeds")
    return {name: outputs[name].float() for name in names}


# Relative to the largest value. In float32, 96 · 2⁻²⁴ of a pixel is lost of a position, and noise changes by its own size in a pixel.
_ROUNDING = 3e-5


@torch.no_grad()
def _forms_agree(model, tolerance: float) -> None:
    """The three ways to evaluate NILI and the pixel query agree, and the pixels count."""
    tiles, side = model.encode_tiles(torch.rand(2, 10, 96, 96)), 20
    y, x = torch.meshgrid((torch.arange(side) + 0.5) / side, (torch.arange(side) + 0.5) / side, indexing="ij")
    grid = torch.stack([x, y], dim=-1).flatten(0, 1).expand(2, -1, -1)
    points, dense = (model.localize(tiles, grid, "nili", method).float() for method in ("points", "dense"))
    mapped = model.feature_map(tiles, (side, side), "nili").float().flatten(2).transpose(1, 2)
    scale = points.abs().max()
    assert (points - model.localize(tiles, grid, "nili", with_pixels=False).float()).abs().max() > 0.01 * scale
    assert (points - dense).abs().max() <= tolerance * scale
    assert (points - mapped).abs().max() <= tolerance * scale


@pytest.mark.parametrize("encoder", ["equal_earth_rff", "spherical_harmonics"])
def test_lora_acts_in_all_forms_and_merges_without_a_change(inputs, encoder):
    peft = pytest.importorskip("peft", reason="peft is not installed")
    plain = _model(encoder)
    options = peft.LoraConfig(target_modules="all-linear", r=4, init_lora_weights=False)
    adapted = peft.get_peft_model(copy.deepcopy(plain), options).eval()
    model = adapted.base_model.model
    for layer in (model.nili.affine, *model.pixel_query.window_projs, model.pixel_query.out_proj):
        assert type(layer).__name__ == "Linear" and hasattr(layer, "lora_A")
    _forms_agree(model, _ROUNDING)
    before, after = _embeddings(plain, inputs), _embeddings(adapted, inputs)
    assert all((before[name] - after[name]).abs().max() > 1e-3 for name in before)
    merged = _embeddings(adapted.merge_and_unload(), inputs)
    for name, values in after.items():
        torch.testing.assert_close(merged[name], values, rtol=0, atol=1e-4)


def test_lora_trains_all_that_reads_tiles_through_every_form():
    peft = pytest.importorskip("peft", reason="peft is not installed")
    layers = ["nili.affine", "pixel_query.window_projs.0", "pixel_query.out_proj"]
    options = peft.LoraConfig(target_modules=layers, r=2, lora_dropout=0.1, task_type="FEATURE_EXTRACTION")
    adapted = peft.get_peft_model(_model(), options).train()
    model = adapted.base_model.model
    tiles = model.encode_tiles(torch.rand(1, 10, 96, 96))
    for read in (
        lambda: model.localize(tiles, torch.rand(1, 3, 2), method="points"),
        lambda: model.localize(tiles, torch.rand(1, 3, 2), method="dense"),
        lambda: model.feature_map(tiles, (8, 8)),
    ):
        adapted.zero_grad()
        read().square().sum().backward()
        gradients = [weight.grad for name, weight in adapted.named_parameters() if "lora_B" in name]
        assert len(gradients) == len(layers) and all(gradient.abs().max() > 0 for gradient in gradients)


def test_a_model_wrapped_for_a_task_takes_the_models_inputs(inputs):
    """PEFT's wrapper passes its own arguments, such as input_ids, as None."""
    peft = pytest.importorskip("peft", reason="peft is not installed")
    options = peft.LoraConfig(target_modules="all-linear", r=2, task_type="FEATURE_EXTRACTION")
    plain = _model()
    adapted = _embeddings(peft.get_peft_model(copy.deepcopy(plain), options).eval(), inputs)
    torch.testing.assert_close(adapted, _embeddings(plain, inputs))


@pytest.mark.parametrize("encoder", ["equal_earth_rff", "spherical_harmonics"])
@pytest.mark.parametrize("place", ["cpu", "disk"])
def test_offloaded_models_compute_the_same(tmp_path, inputs, place, encoder):
    accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")
    plain = _model(encoder)
    plain.save_pretrained(tmp_path / "model")
    if place == "disk":
        on_disk = ("sv_model", "sv_projection", "location_model", "nili", "pixel_query")
        parts = {"rs_model": "cpu"} | dict.fromkeys(on_disk, "disk")
        offloaded = GairModel.from_pretrained(
            tmp_path / "model", device_map=parts, offload_folder=tmp_path / "offloaded"
        ).eval()
    else:
        offloaded = accelerate.cpu_offload(copy.deepcopy(plain), execution_device="cpu")
    assert offloaded.nili.affine.weight.device.type == offloaded.pixel_query.out_proj.weight.device.type == "meta"
    torch.testing.assert_close(_embeddings(offloaded, inputs), _embeddings(plain, inputs), rtol=1e-4, atol=1e-5)
    _forms_agree(offloaded, _ROUNDING)


@pytest.mark.parametrize("bits, least", [(8, 0.99), (4, 0.9)])
def test_bitsandbytes_keeps_the_embeddings(tmp_path, inputs, bits, least):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    from transformers import BitsAndBytesConfig

    # On CPUs, 4 bits need widths that are multiples of 64, which those of NILI and of the window of pixels are not.
    plain = _model(width=128)
    plain.save_pretrained(tmp_path)
    options = BitsAndBytesConfig(
        **{f"load_in_{bits}bit": True}, llm_int8_skip_modules=["nili.affine", "pixel_query.window_projs"]
    )
    quantised = GairModel.from_pretrained(tmp_path, quantization_config=options).eval()
    assert not quantised.sv_projection.weight.is_floating_point()
    _assert_similar(quantised, plain, inputs, least)


@pytest.mark.parametrize("encoder", ["equal_earth_rff", "spherical_harmonics"])
def test_any_linear_layer_may_be_quantised(inputs, encoder):
    """Some versions of transformers replace subclasses of nn.Linear too, and with them their forward method."""
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    plain = _model(encoder)
    quantised = copy.deepcopy(plain)
    for name, module in list(quantised.named_modules()):
        if isinstance(module, torch.nn.Linear):
            layer = bitsandbytes.nn.Linear8bitLt(
                module.in_features, module.out_features, module.bias is not None, has_fp16_weights=False
            )
            layer.load_state_dict(module.state_dict())
            quantised.set_submodule(name, layer.to("cpu"))
    assert quantised.nili.affine.weight.dtype == quantised.pixel_query.out_proj.weight.dtype == torch.int8
    _assert_similar(quantised, plain, inputs, 0.99)
    _forms_agree(quantised, 0.05)


def _assert_similar(changed: GairModel, plain: GairModel, inputs: dict[str, torch.Tensor], least: float) -> None:
    expected = _embeddings(plain, inputs)
    for name, values in _embeddings(changed, inputs).items():
        assert torch.cosine_similarity(values, expected[name], dim=-1).min() > least, name


def test_dynamic_int8_of_torch_keeps_the_embeddings(inputs):
    plain = _model()
    quantised = torch.ao.quantization.quantize_dynamic(copy.deepcopy(plain), {torch.nn.Linear}, torch.qint8)
    assert not isinstance(quantised.sv_projection, torch.nn.Linear)
    _assert_similar(quantised, plain, inputs, 0.99)
