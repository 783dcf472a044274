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
"""Initial weights from CROMA files and saved towers, and errors for weights that do not fit."""

import copy
import json
import os

import pytest
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification, ViTModel

pytest.importorskip("accelerate", reason="the extra train is not installed")
from modeling_gair import GairConfig, GairModel
from tests.helpers.croma import croma_file, encoder
from tests.helpers.requirements import needs_timm
from training.pretraining.initial_weights import load_initial_weights
from training.pretraining.settings import InitialWeights, load_settings

WIDTH, DEPTH = 32, 2
RS = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": 16, "intermediate_size": 4 * WIDTH}
SV = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
SV |= {"image_size": 32, "patch_size": 16}


def small_model(seed: int = 0, **overrides) -> GairModel:
    torch.manual_seed(seed)
    config = {"rs_config": RS, "sv_config": SV, "location_config": {"num_frequencies": 4, "hidden_size": 8}}
    return GairModel(GairConfig(**config | overrides))


def differing(model: GairModel, other: GairModel) -> set[str]:
    """Names of the weights that differ."""
    theirs = other.state_dict()
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, theirs[name])}


# ---------------------------------------------------------------------------------------------------------------------
# The RS tower
# ---------------------------------------------------------------------------------------------------------------------


def literal_croma(optical: dict[str, torch.Tensor], tokens: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """A plain implementation of the blocks of CROMA's optical encoder from its paper, one head at a time."""
    for index in range(DEPTH):
        block = {name.split(".", 3)[3]: t for name, t in optical.items() if f"layers.{index}." in name}

        def norm(x, part, block=block):
            return torch.layer_norm(x, (WIDTH,), block[f"{part}.input_norm.weight"], block[f"{part}.input_norm.bias"])

        query, key, value = (norm(tokens, 0) @ block["0.to_qkv.weight"].T).split(WIDTH, dim=-1)
        size = WIDTH // 16
        heads = []
        for head in range(16):
            q, k, v = (each[..., head * size : (head + 1) * size] for each in (query, key, value))
            heads.append(torch.softmax(q @ k.transpose(-1, -2) * size**-0.5 + bias[0, head], dim=-1) @ v)
        tokens = tokens + torch.cat(heads, -1) @ block["0.to_out.weight"].T + block["0.to_out.bias"]
        hidden = torch.nn.functional.gelu(norm(tokens, 1) @ block["1.net.0.weight"].T + block["1.net.0.bias"])
        tokens = tokens + hidden @ block["1.net.3.weight"].T + block["1.net.3.bias"]
    return tokens


def test_croma_sets_the_blocks_and_leaves_the_patch_projection_random(tmp_path):
    model, optical = small_model(), encoder()
    drawn = copy.deepcopy(model)
    said = load_initial_weights(model, InitialWeights(rs=croma_file(tmp_path / "CROMA_base.pt", optical)))
    assert said == [
        f"RS tower: {DEPTH * 11} tensors of CROMA's optical encoder from {str(tmp_path / 'CROMA_base.pt')!r}; the patch "
        "projection keeps its random weights, because CROMA's has 12 bands."
    ]
    changed = differing(model, drawn)
    assert changed == {name for name in model.state_dict() if name.startswith("rs_model.layers.")}
    tiles = torch.rand(2, 10, 24, 24)
    with torch.no_grad():
        tokens = model.rs_model.embeddings(tiles)
        expected = literal_croma(optical, tokens, model.rs_model.alibi(3, torch.float32))
        torch.testing.assert_close(model.rs_model(tiles).last_hidden_state, expected, rtol=1e-4, atol=1e-4)


def broken(change) -> dict[str, torch.Tensor]:
    optical = encoder()
    change(optical)
    return optical


@pytest.mark.parametrize(
    ("optical", "sentence"),
    [
        (lambda o: o.pop("transformer.layers.1.0.to_out.bias"), r"s2_encoder\.transformer\.layers\.1\.0\.to_out\.bias is missing"),
        (
            lambda o: o.update({"transformer.layers.1.1.net.3.bias": torch.zeros(5)}),
            r"net\.3\.bias has the shape \(5,\), expected \(32,\)",
        ),
        (lambda o: o.update({"class_token": torch.zeros(1)}), "s2_encoder.class_token is unknown"),
        (lambda o: o.pop("linear_input.weight"), "lacks the weights of s2_encoder"),
        (lambda o: o.clear(), "lacks the weights of s2_encoder"),
    ],
)  # fmt: skip
def test_a_croma_file_that_differs_from_the_published_one_is_refused(tmp_path, optical, sentence):
    model = small_model()
    drawn = copy.deepcopy(model)
    with pytest.raises(ValueError, match=sentence):
        load_initial_weights(model, InitialWeights(rs=croma_file(tmp_path / "x.pt", broken(optical))))
    assert not differing(model, drawn)


def test_an_unknown_part_of_a_croma_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="s3_encoder is unknown"):
        load_initial_weights(
            small_model(), InitialWeights(rs=croma_file(tmp_path / "x.pt", encoder(), s3_encoder={"a": torch.zeros(1)}))
        )


@pytest.mark.parametrize(
    ("rs_config", "sentence"),
    [
        (
            RS | {"num_hidden_layers": 3},
            "does not fit model.rs_config, which has num_hidden_layers 3; set in model.rs_config num_hidden_layers: 2",
        ),
        (
            RS | {"hidden_size": 64, "intermediate_size": 64},
            "set in model.rs_config hidden_size: 32, intermediate_size: 128",
        ),
        (RS | {"num_attention_heads": 8}, "set in model.rs_config num_attention_heads: 16"),
        (RS | {"patch_size": 16}, "set in model.rs_config patch_size: 8"),
        (RS | {"hidden_act": "relu"}, "set in model.rs_config hidden_act: 'gelu'"),
        (RS | {"layer_norm_eps": 1e-6}, "set in model.rs_config layer_norm_eps: 1e-05"),
    ],
)
def test_the_error_on_croma_of_another_size_names_the_fields_to_set(tmp_path, rs_config, sentence):
    model = small_model(rs_config=rs_config)
    with pytest.raises(ValueError, match=sentence):
        load_initial_weights(model, InitialWeights(rs=croma_file(tmp_path / "CROMA_large.pt", encoder())))


class _Malicious:
    def __reduce__(self):
        return os.system, ("exit 0",)


@pytest.mark.parametrize("content", [{"s2_encoder": _Malicious()}, [1, 2], {"model": {}}, {"s2_encoder": 3}])
def test_files_with_code_or_other_content_are_refused(tmp_path, content, monkeypatch):
    ran: list[str] = []
    monkeypatch.setattr(os, "system", ran.append)
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"plain tensors|has no dictionary 's2_encoder'"):
        load_initial_weights(small_model(), InitialWeights(rs=str(tmp_path / "x.pt")))
    assert not ran


def test_a_missing_file_is_not_looked_up_on_the_hub(tmp_path):
    with pytest.raises(ValueError, match="file not found"):
        load_initial_weights(small_model(), InitialWeights(rs=str(tmp_path / "CROMA_base.pt")))


@pytest.mark.parametrize("alone", [False, True])
def test_the_rs_tower_is_loaded_from_a_saved_gair_model(tmp_path, alone):
    saved, model = small_model(seed=1), small_model()
    (saved.rs_model if alone else saved).save_pretrained(tmp_path)
    drawn = copy.deepcopy(model)
    assert load_initial_weights(model, InitialWeights(rs=str(tmp_path))) == [
        f"RS tower: all weights from {str(tmp_path)!r}."
    ]
    assert not [name for name in differing(model, saved) if name.startswith("rs_model.")]
    assert all(name.startswith("rs_model.") for name in differing(model, drawn))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"num_hidden_layers": 3},
            r"its layers\.2\.attention_norm\.weight is missing, but the model's is \(32,\); set in model\.rs_config num_hidden_layers: 2",
        ),
        ({"num_channels": 12}, r"is \(32, 10, 8, 8\), but the model's is \(32, 12, 8, 8\); set in model.rs_config num_channels: 10"),
        (
            {"num_attention_heads": 8, "hidden_act": "relu"},
            "trained with a different num_attention_heads and hidden_act than model.rs_config has; set in model.rs_config "
            "num_attention_heads: 16, hidden_act: 'gelu'",
        ),
    ],
)  # fmt: skip
def test_a_saved_rs_tower_that_does_not_fit_is_refused(tmp_path, change, sentence):
    small_model().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        load_initial_weights(small_model(rs_config=RS | change), InitialWeights(rs=str(tmp_path)))


def test_a_vit_is_refused_as_rs_tower(tmp_path):
    ViTModel(ViTConfig(**SV)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"is a ViTModel; expected a GairModel, a GairRSModel or CROMA_base.pt"):
        load_initial_weights(small_model(), InitialWeights(rs=str(tmp_path)))


@needs_timm
def test_croma_does_not_fit_a_tower_from_timm(tmp_path):
    tower = {
        "model_type": "timm_wrapper",
        "architecture": "vit_tiny_patch16_224",
        "model_args": {"in_chans": 10, "depth": 1},
    }
    with pytest.raises(ValueError, match=r"rs_config is of type 'timm_wrapper'; remove model.rs_config"):
        load_initial_weights(small_model(rs_config=tower), InitialWeights(rs=croma_file(tmp_path / "x.pt", encoder())))


# ---------------------------------------------------------------------------------------------------------------------
# The SV tower
# ---------------------------------------------------------------------------------------------------------------------


def save_vit(path, **change) -> tuple[ViTModel, str]:
    torch.manual_seed(5)
    vit = ViTModel(ViTConfig(**SV | change)).eval()
    vit.save_pretrained(path)
    return vit, str(path)


def test_the_sv_tower_is_loaded_from_a_vit(tmp_path):
    vit, path = save_vit(tmp_path)
    model = small_model()
    drawn = copy.deepcopy(model)
    assert load_initial_weights(model, InitialWeights(sv=path)) == [f"SV tower: weights from {path!r}."]
    assert all(name.startswith("sv_model.") for name in differing(model, drawn))
    photo = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.eval().sv_model(photo).pooler_output, vit(photo).pooler_output)


def test_the_pooler_stays_random_if_the_weights_have_none(tmp_path):
    torch.manual_seed(5)
    classifier = ViTForImageClassification(ViTConfig(**SV, num_labels=3))
    classifier.save_pretrained(tmp_path)
    model = small_model()
    drawn = copy.deepcopy(model)
    said = load_initial_weights(model, InitialWeights(sv=str(tmp_path)))
    assert said == [
        f"SV tower: weights from {str(tmp_path)!r}; they have no pooler, so the pooler keeps its random weights."
    ]
    changed = differing(model, drawn)
    assert changed and not [name for name in changed if "pooler" in name]
    photo = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        found, expected = (tower.eval()(photo).last_hidden_state for tower in (model.sv_model, classifier.vit))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"image_size": 64},
            r"its embeddings\.position_embeddings is \(1, 17, 24\), but the model's is \(1, 5, 24\); set in model\.sv_config "
            "image_size: 64",
        ),
        ({"hidden_size": 48, "num_hidden_layers": 2}, "set in model.sv_config hidden_size: 48, num_hidden_layers: 2"),
        ({"num_hidden_layers": 2}, "the model's is missing; set in model.sv_config num_hidden_layers: 2"),
        (
            {"num_attention_heads": 4},
            "a different num_attention_heads than .* set in model.sv_config num_attention_heads: 4",
        ),
    ],
)
def test_the_error_on_a_vit_that_does_not_fit_names_the_fields_to_set(tmp_path, change, sentence):
    _, path = save_vit(tmp_path, **change)
    with pytest.raises(ValueError, match=sentence) as raised:
        load_initial_weights(small_model(), InitialWeights(sv=path))
    assert "\n" not in str(raised.value)


def test_the_error_on_another_architecture_names_the_model_type(tmp_path):
    small_model(sv_config={"model_type": "dinov2", **SV}).sv_model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"set model.sv_config.model_type to 'dinov2', with its sizes"):
        load_initial_weights(small_model(), InitialWeights(sv=str(tmp_path)))


def test_incomplete_weights_are_refused(tmp_path):
    vit, path = save_vit(tmp_path)
    state = {name: tensor for name, tensor in vit.state_dict().items() if name != "layernorm.weight"}
    vit.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(ValueError, match=r"lacks weights of the tower, e.g. layernorm.weight"):
        load_initial_weights(small_model(), InitialWeights(sv=path))


@needs_timm
def test_the_sv_tower_is_loaded_from_a_saved_timm_model(tmp_path):
    tower = {
        "model_type": "timm_wrapper",
        "architecture": "vit_tiny_patch16_224",
        "model_args": {"img_size": 32, "depth": 1},
    }
    saved, model = small_model(seed=1, sv_config=tower), small_model(sv_config=tower)
    saved.sv_model.save_pretrained(tmp_path)
    load_initial_weights(model, InitialWeights(sv=str(tmp_path)))
    assert not [name for name in differing(model, saved) if name.startswith("sv_model.")]
    deeper = small_model(sv_config=tower | {"model_args": {"img_size": 32, "depth": 2}})
    with pytest.raises(
        ValueError, match=r"blocks\.1\.norm1\.weight is missing.* set in model\.sv_config model_args: \{.*'depth': 1"
    ):
        load_initial_weights(deeper, InitialWeights(sv=str(tmp_path)))


@needs_timm
def test_the_sv_tower_is_loaded_from_a_model_published_by_timm(tmp_path):
    """timm's layout on the Hub: its own config, and weights without a prefix that include a classifier."""
    import timm

    torch.manual_seed(3)
    published = timm.create_model("vit_tiny_patch16_224", depth=1, num_classes=5)
    save_file(published.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": 5, "num_features": 192, "model_args": {"depth": 1}}
    config["pretrained_cfg"] = {"tag": "made", "input_size": [3, 224, 224], "num_classes": 5}
    (tmp_path / "config.json").write_text(json.dumps(config))
    tower = {"model_type": "timm_wrapper", "architecture": "vit_tiny_patch16_224", "model_args": {"depth": 1}}
    model = small_model(sv_config=tower)
    assert load_initial_weights(model, InitialWeights(sv=str(tmp_path))) == [
        f"SV tower: weights from {str(tmp_path)!r}."
    ]
    state = model.sv_model.timm_model.state_dict()
    assert state and all(torch.equal(tensor, published.state_dict()[name]) for name, tensor in state.items())


@pytest.mark.parametrize("key", ["rs", "sv"])
def test_a_model_id_that_cannot_be_reached_is_refused(key, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=f"initial_weights.{key} 'nobody/nothing' cannot be loaded") as raised:
        load_initial_weights(small_model(), InitialWeights(**{key: "nobody/nothing"}))
    assert "\n" not in str(raised.value)


# ---------------------------------------------------------------------------------------------------------------------
# The settings
# ---------------------------------------------------------------------------------------------------------------------


def test_initial_weights_are_settings_that_a_resumed_run_must_keep():
    settings = load_settings(["--initial_weights.rs", "CROMA_base.pt"])
    assert settings.run()["initial_weights"] == {"rs": "CROMA_base.pt", "sv": None}
    assert load_settings([]).resolved()["initial_weights"] == {"rs": None, "sv": None}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--initial_weights.vs", "x"], "expected one of rs, sv"),
        (["--initial_weights", "{rs: ''}"], "initial_weights.rs is ''; expected a file, a directory or a Hub id"),
        (
            ["--initial_weights", "CROMA_base.pt"],
            "initial_weights is 'CROMA_base.pt'; expected its settings one by one",
        ),
    ],
)
def test_wrong_settings_are_refused(flags, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_settings(flags)


def test_nothing_is_loaded_when_training_from_scratch():
    model = small_model()
    drawn = copy.deepcopy(model)
    assert load_initial_weights(model, InitialWeights()) == [] and not differing(model, drawn)
