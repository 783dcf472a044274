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
"""The converter on synthetic checkpoints, and parity of the converted model with the published implementation."""

import hashlib
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoProcessor

import modeling_gair.convert_gair_checkpoint as convert_gair_checkpoint_module
from modeling_gair import GairConfig
from modeling_gair.convert_gair_checkpoint import (
    _published_layout,
    check_conventions,
    convert_gair_checkpoint,
    weights_digest,
)
from tests.conftest import made_tensor


@pytest.fixture(scope="module")
def small_config() -> GairConfig:
    tower = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    return GairConfig(
        rs_config=tower,
        sv_config={**tower, "image_size": 32, "patch_size": 16},
        location_config={"num_frequencies": 8, "hidden_size": 16},
    )


@pytest.fixture(scope="module")
def small_tensors(small_config) -> dict[str, torch.Tensor]:
    return {name: made_tensor(name, shape) for name, _, shape in _published_layout(small_config)}


def _save(path, tensors, prefix="module."):
    torch.save({"model": {prefix + name: tensor for name, tensor in tensors.items()}, "epoch": 3}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoint_becomes_a_directory(small_config, small_tensors, tmp_path, prefix):
    unused = {
        "logit_scale": torch.tensor(2.66),
        "radar_proj.weight": torch.ones(2, 2),
        "nerf_fn.norm_out.bias": torch.ones(1),
    }
    checkpoint = _save(tmp_path / "a.pth", {**small_tensors, **unused}, prefix)
    converted = convert_gair_checkpoint(checkpoint, tmp_path / "out", small_config)
    files = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "config.json", "processor_config.json", "README.md", "modeling_gair.py"} <= files
    assert {
        "image_processing_gair_rs.py",
        "image_processing_gair_sv.py",
        "feature_extraction_gair.py",
        "processing_gair.py",
        "raster_gair.py",
    } <= files
    assert not list(tmp_path.glob(".out*"))
    origin = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert origin["checkpoint"] == "a.pth" and origin["weights_sha256"] == weights_digest(converted)
    assert origin["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "cc-by-nc-4.0" in card and "CC BY-NC 4.0" in card
    model = AutoModel.from_pretrained(tmp_path / "out")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, converted.state_dict()[name]), name
    processor = AutoProcessor.from_pretrained(tmp_path / "out")
    assert processor.image_processor.quantize and not processor.image_processor.antialias
    assert not processor.sv_image_processor.antialias


def test_weights_follow_the_published_conventions(small_config, small_tensors, tmp_path):
    """Patches flattened as (channel, row, column); q, k, v stacked in this order; capsule layers in their order."""
    model = convert_gair_checkpoint(_save(tmp_path / "a.pth", small_tensors), tmp_path / "out", small_config)
    pixels = torch.rand(1, 10, 16, 16)
    patch = pixels[0, :, :8, 8:].flatten()
    weight = small_tensors["rs_encoder.s2_encoder.linear_input.weight"]
    expected = weight @ patch + small_tensors["rs_encoder.s2_encoder.linear_input.bias"]
    torch.testing.assert_close(model.rs_model.embeddings(pixels)[0, 1], expected, rtol=1e-4, atol=1e-4)

    name = "rs_encoder.s2_encoder.transformer.layers.0.0"
    hidden = torch.randn(1, 4, 32)
    query, key, value = (hidden[0] @ small_tensors[f"{name}.to_qkv.weight"].T).chunk(3, dim=-1)
    heads = []
    bias = model.rs_model.alibi(2, torch.float32)[0]
    for head in range(4):
        part = slice(8 * head, 8 * head + 8)
        scores = query[:, part] @ key[:, part].T * 8**-0.5 + bias[head]
        heads.append(scores.softmax(-1) @ value[:, part])
    expected = torch.cat(heads, -1) @ small_tensors[f"{name}.to_out.weight"].T + small_tensors[f"{name}.to_out.bias"]
    attended, _ = model.rs_model.layers[0].attention(hidden, bias[None])
    torch.testing.assert_close(attended[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"imnet.bias": None}, "imnet.bias is missing"),
        ({"surprise.weight": torch.ones(1)}, "surprise.weight is not known"),
        ({"imnet.weight": torch.ones(3, 3)}, r"imnet.weight has the shape \(3, 3\), expected \(32, 290\)"),
    ],
)
def test_mismatched_tensors_are_named_and_nothing_is_written(small_config, small_tensors, tmp_path, change, sentence):
    tensors = {name: tensor for name, tensor in {**small_tensors, **change}.items() if tensor is not None}
    with pytest.raises(ValueError, match=sentence):
        convert_gair_checkpoint(_save(tmp_path / "a.pth", tensors), tmp_path / "out", small_config)
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]


class _Harmful:
    def __reduce__(self):
        return (print, ("unpickled",))


def test_files_that_are_not_checkpoints_are_refused(small_config, tmp_path, capsys):
    torch.save({"model": _Harmful()}, tmp_path / "harmful.pth")
    (tmp_path / "text.pth").write_text("no checkpoint")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("harmful.pth", "text.pth", "list.pth", "absent.pth"):
        with pytest.raises(ValueError, match=name):
            convert_gair_checkpoint(tmp_path / name, tmp_path / "out", small_config)
    assert "unpickled" not in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_a_directory_with_files_is_not_overwritten(small_config, small_tensors, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected a new or empty directory"):
        convert_gair_checkpoint(_save(tmp_path / "a.pth", small_tensors), tmp_path / "out", small_config)
    assert (tmp_path / "out" / "precious.txt").read_text() == "mine"


def test_the_command_line_reports_an_error_in_one_sentence(tmp_path):
    command = [
        sys.executable,
        "-m",
        "modeling_gair.convert_gair_checkpoint",
        str(tmp_path / "no.pth"),
        str(tmp_path / "o"),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and "Traceback" not in result.stderr and "file not found" in result.stderr


# ---------------------------------------------------------------------------------------------------------------------
# Parity with the published implementation, at full size
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(reference_dir, tmp_path_factory):
    """The full-size model and its processor, loaded from a directory that the converter's command has written."""
    shapes = json.loads((reference_dir / "original_checkpoint_tensors.json").read_text())
    folder = tmp_path_factory.mktemp("published")
    tensors = {name: made_tensor(name, tuple(entry["shape"])) for name, entry in shapes.items()}
    _save(folder / "gair.pth", tensors)
    command = [
        sys.executable,
        "-m",
        "modeling_gair.convert_gair_checkpoint",
        str(folder / "gair.pth"),
        str(folder / "out"),
    ]
    subprocess.run(command, check=True)
    (folder / "gair.pth").unlink()
    return AutoModel.from_pretrained(folder / "out").eval(), AutoProcessor.from_pretrained(folder / "out")


@pytest.fixture(scope="module")
def reference(reference_dir):
    return load_file(reference_dir / "parity.safetensors")


def _close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-4):
    theirs = theirs.reshape(ours.shape)
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("city", ["detroit", "tokyo"])
@torch.no_grad()
def test_parity_of_the_towers_and_of_every_query(published, reference, city):
    model, _ = published
    values = {name.split(".", 1)[1]: tensor for name, tensor in reference.items() if name.startswith(f"{city}.")}
    tiles = model.encode_tiles(values["rs_pixel_values"].reshape(1, 10, 96, 96))
    _close(tiles.last_hidden_state, values["rs_tokens"])
    _close(tiles.pooler_output, values["rs_embedding"])
    photos = values["sv_pixel_values"].reshape(1, 3, 224, 224)
    _close(model.sv_model(photos).pooler_output, values["sv_embedding"])
    _close(model.get_sv_features(photos), values["sv_projected"])
    points = values["relative_xy"].reshape(1, -1, 2).float()
    for mode in ("nili", "bilinear", "bicubic"):
        _close(model.localize(tiles, points, mode), values[f"localized_{mode}"])
    _close(model.localize(tiles, points, "nili", "dense"), values["localized_nili"])


@pytest.mark.slow
@torch.no_grad()
def test_parity_of_the_location_encoder(published, reference):
    model, _ = published
    _close(model.get_location_features(reference["locations"].float()), reference["location_embedding"], 5e-4)


@pytest.mark.slow
def test_parity_of_the_pixels(published, reference, data_dir):
    pytest.importorskip("rasterio")
    _, processor = published
    for city in ("detroit", "tokyo"):
        inputs = processor(rs=data_dir / f"{city}_rs.tif", sv=data_dir / f"{city}_sv.jpg", return_tensors="pt")
        rs = reference[f"{city}.rs_pixel_values"].reshape(1, 10, 96, 96)
        assert (inputs["rs_pixel_values"] - rs).abs().max() <= 0.5 / 255
        sv = reference[f"{city}.sv_pixel_values"].reshape(1, 3, 224, 224)
        # Half a grey level, in units of the normalised photo.
        assert (inputs["sv_pixel_values"] - sv).abs().max() <= 0.5 / 59.2


@pytest.mark.slow
def test_both_conventions_are_reported(published, data_dir, tmp_path, monkeypatch, capsys):
    """Tests `--check`; the fixture above tests the conversion."""
    pytest.importorskip("rasterio")
    model, processor = published
    monkeypatch.setattr(convert_gair_checkpoint_module, "convert_gair_checkpoint", lambda *_: model)
    processor.save_pretrained(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convert", "gair.pth", str(tmp_path), "--check", str(data_dir / "pairs.csv")])
    convert_gair_checkpoint_module.main()
    printed = capsys.readouterr().out
    assert "published: each photo" in printed and "first_version: each photo" in printed
    ranks = check_conventions(model, processor, data_dir / "pairs.csv")
    assert set(ranks) == {"published", "first_version"} and all(1 <= rank <= 2 for rank in ranks.values())
