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
"""Exported files: equal to the model for any batch size, described, free of local paths, complete or absent."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import pipeline

pytest.importorskip("onnxscript", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("sklearn", reason="the extra export is not installed")
from modeling_gair import GairConfig, GairLocationConfig, GairModel, GairProcessor
from tests.helpers.models import pixel_model
from tests.helpers.pairs import PROCESSOR, evaluation, write_pairs
from tests.helpers.requirements import needs_traceable_library
from training.exporting import export as module
from training.exporting.export import FOLDERS, export, export_part, run
from training.exporting.onnx_files import open_onnx, run_onnx
from training.exporting.onnx_model import OnnxModel
from training.exporting.options import ExportOptions
from training.exporting.parts import Part, Value, parts_of
from training.exporting.sv_tower import save_sv_tower
from training.measuring.embeddings import embed
from training.pairs.loading import prepare_pairs

pytestmark = needs_traceable_library
PARTS = ("rs_tower", "sv_tower", "location_tower", "localized_query_points", "localized_query_dense")


def small_part() -> Part:
    """A part that is traced in a moment: a linear map of pairs of numbers."""
    torch.manual_seed(0)
    linear = torch.nn.Linear(2, 3)
    return Part(
        "linear",
        linear,
        (Value("pairs", ("batch", 2), "two numbers"),),
        (Value("triples", ("batch", 3), "three numbers"),),
        lambda batch, points: (torch.randn(batch, 2),),
        lambda pairs: (linear(pairs),),
    )


@pytest.fixture(scope="module")
def exported(tiny_model, tmp_path_factory):
    """The content of export.json, and the folder of an export with int8, measured on 12 photos of 4 tiles."""
    folder = tmp_path_factory.mktemp("export")
    pairs = write_pairs(tmp_path_factory.mktemp("pairs"), 12, tiles=4)
    return export(tiny_model, PROCESSOR, folder / "out", str(pairs)), folder / "out"


@pytest.mark.ci
@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(("batch", "points"), [(1, 1), (4, 150)])
def test_files_give_the_models_outputs_for_any_batch_size(tiny_model, exported, name, batch, points):
    part = next(part for part in parts_of(tiny_model, PROCESSOR, seed=5) if part.name == name)
    given = part.draw(batch, points)
    with torch.no_grad():
        expected = part.expected(*given)
    folder = exported[1]
    from_onnx = run_onnx(open_onnx(folder / "onnx" / f"{name}.onnx"), given)
    with torch.no_grad():
        from_torch = torch.export.load(folder / "torch_export" / f"{name}.pt2").module()(*given)
    from_torch = from_torch if isinstance(from_torch, tuple) else (from_torch,)
    for found in (from_onnx, from_torch):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.ci
def test_the_description_matches_the_files(exported):
    said, folder = exported
    assert json.loads((folder / "onnx" / "export.json").read_text(encoding="utf-8")) == said
    assert tuple(said["parts"]) == PARTS
    for name, part in said["parts"].items():
        session = open_onnx(folder / "onnx" / f"{name}.onnx")
        for values, stated in ((session.get_inputs(), part["inputs"]), (session.get_outputs(), part["outputs"])):
            assert [value.name for value in values] == [value["name"] for value in stated]
            assert [value.shape for value in values] == [value["shape"] for value in stated]
        assert max(part["largest_error"].values()) < 1e-5
    tile = said["parts"]["rs_tower"]["inputs"][0]
    assert (
        tile["shape"] == ["batch", 10, 96, 96] and "B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12" in tile["meaning"]
    )
    assert said["query_mode"] == "nili"
    for method in ("points", "dense"):
        tokens, points, pixels = said["parts"][f"localized_query_{method}"]["inputs"]
        assert tokens["name"] == "rs_tokens" and points["shape"] == ["batch", "points", 2]
        # The pixels that the tower takes.
        assert pixels == tile


@pytest.mark.ci
def test_the_described_formula_prepares_pixels_as_the_processor_does(exported):
    """The formula of export.json in NumPy, for a tile of the model's size."""
    says = exported[0]["preparation"]
    tile = np.random.default_rng(0).integers(0, 9000, (10, 96, 96), dtype=np.uint16)
    mean, std = (np.array(says["rs"][name])[:, None, None] for name in ("band_mean", "band_std"))
    prepared = ((tile + says["rs"]["digital_number_offset"] - (mean - 2 * std)) / (4 * std)).clip(
        *says["rs"]["clip_range"]
    )
    expected = PROCESSOR(rs=tile, bands=says["rs"]["bands"])["rs_pixel_values"]
    np.testing.assert_allclose(prepared[None], expected, atol=1e-5)


@pytest.mark.ci
def test_no_file_contains_local_paths(exported):
    folder = exported[1]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.relative_to(folder).parts[0] for path in files} == set(FOLDERS)
    for path in files:
        content = path.read_bytes()
        for local in (str(folder.parent), str(module.__file__).rpartition("/training/")[0], sys.prefix):
            assert local.encode() not in content, f"{path.name} names {local}"


@pytest.mark.ci
def test_int8_files_are_small_and_close_and_their_loss_is_measured(tiny_model, exported):
    said, folder = exported
    whole, eight = (folder / "onnx" / f"sv_tower{suffix}" for suffix in (".onnx", ".int8.onnx"))
    assert eight.stat().st_size < 0.6 * whole.stat().st_size
    photo = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = tiny_model.get_sv_features(photo)
    (found,) = run_onnx(open_onnx(eight), [photo])
    assert torch.cosine_similarity(found, expected).min() > 0.99 and not torch.allclose(found, expected, atol=1e-6)
    loss = said["int8"]
    assert loss["evaluated"].startswith("12 photos of 4 TRAINING tiles")
    assert min(loss["cosine"].values()) > 0.98
    for form in ("float32", "int8"):
        assert "SV → RS at the point (NILI)" in loss[form]["across_tiles"]
    assert "mean rank" in loss["table"] and "int8" in loss["table"]


@pytest.mark.ci
def test_the_files_together_embed_pairs_as_the_model_does(tiny_model, exported, tmp_path):
    batch = next(iter(evaluation(write_pairs(tmp_path, 12, tiles=4))))
    inputs = prepare_pairs(batch, PROCESSOR, torch.device("cpu"))
    found, expected = embed(OnnxModel(tiny_model, exported[1] / "onnx", {}), inputs), embed(tiny_model, inputs)
    assert found.keys() == expected.keys() and "without_pixels" in found
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert (found["nili"] - found["without_pixels"]).abs().max() > 0.01


def _queries(**options) -> tuple[GairModel, list[Part]]:
    model = pixel_model(**options) if options.get("pixel_window", 5) else GairModel(GairConfig.tiny(**options)).eval()
    return model, [part for part in parts_of(model, PROCESSOR) if part.name.startswith("localized_query")]


QUERIES = pytest.mark.parametrize("mode", ["nili", "bilinear", "bicubic", "mean"])


@QUERIES
@pytest.mark.parametrize("window", [0, 5])
@torch.no_grad()
def test_the_query_reads_in_the_models_own_mode_and_takes_pixels_if_the_model_does(mode, window):
    model, queries = _queries(query_mode=mode, pixel_window=window, nili_init="normal")
    for part in queries:
        assert [value.name for value in part.inputs] == ["rs_tokens", "query_points", *["rs_pixel_values"][:window]]
        assert mode in part.outputs[0].meaning
        tiles, points = torch.rand(2, 10, 96, 96), torch.rand(2, 3, 2)
        encoded = model.encode_tiles(tiles)
        given = (encoded.last_hidden_state, points, *([tiles] if window else []))
        torch.testing.assert_close(part.module(*given), model.localize(encoded, points))
        torch.testing.assert_close(part.expected(*given)[0], model.localize(encoded, points))
        # No weights that the mode does not read.
        assert ("nili.affine.weight" in part.module.state_dict()) == (mode == "nili")


@pytest.mark.ci
@QUERIES
def test_queries_of_all_modes_are_equal_in_both_formats(tmp_path, mode):
    for window in (0, 5):
        _, queries = _queries(query_mode=mode, pixel_window=window, nili_init="normal")
        # The fixture exports that of the tiny model.
        for part in queries if (mode, window) != ("nili", 5) else []:
            assert max(export_part(part, tmp_path, tmp_path)["largest_error"].values()) < 1e-5


@pytest.mark.ci
def test_phases_of_coordinates_stay_exact_in_int8(tiny_model, exported):
    folder = exported[1]
    places = torch.tensor([[13.4, 52.5], [-179.9, -70.0], [179.9, 10.0]])
    quantized = OnnxModel(tiny_model, folder / "onnx", {"location_tower": ".int8.onnx"})
    with torch.no_grad():
        cosine = torch.cosine_similarity(
            quantized.get_location_features(places), tiny_model.get_location_features(places)
        )
    assert cosine.min() > 0.999


@pytest.mark.ci
def test_the_published_location_encoder_is_equal_too(tmp_path):
    """Its σ of 256 makes the last bit of a sine count."""
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(location_config=GairLocationConfig())).eval()
    part = next(part for part in parts_of(model, PROCESSOR) if part.name == "location_tower")
    errors = export_part(part, tmp_path, tmp_path)["largest_error"]
    assert errors["location_tower.onnx"] < 1e-4 and errors["location_tower.pt2"] < 1e-6


@pytest.mark.ci
def test_spherical_harmonics_are_equal_too(tmp_path):
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(location_config={"encoder": "spherical_harmonics", "degree": 20})).eval()
    part = next(part for part in parts_of(model, PROCESSOR) if part.name == "location_tower")
    assert max(export_part(part, tmp_path, tmp_path)["largest_error"].values()) < 1e-5


def test_a_part_is_written_in_both_formats_and_described(tmp_path):
    part = small_part()
    described = export_part(part, tmp_path, tmp_path)
    assert described["inputs"] == [
        {"name": "pairs", "shape": ["batch", 2], "dtype": "float32", "meaning": "two numbers"}
    ]
    assert described["largest_error"].keys() == {"linear.onnx", "linear.pt2"}
    pairs = torch.randn(7, 2)
    session = open_onnx(tmp_path / "linear.onnx")
    assert [value.shape for value in session.get_outputs()] == [["batch", 3]]
    with torch.no_grad():
        torch.testing.assert_close(run_onnx(session, (pairs,)), part.expected(pairs))


def test_if_a_part_differs_from_the_model_nothing_is_written(tiny_model, tmp_path, monkeypatch):
    part = small_part()
    wrong = replace(part, expected=lambda *given: tuple(1.001 * value for value in part.expected(*given)))
    monkeypatch.setattr(module, "parts_of", lambda model, processor: [wrong])
    with pytest.raises(ValueError, match=r"linear\.onnx differs from the model by 0\.000\d+ of an output"):
        export(tiny_model, PROCESSOR, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_fixed_size_is_detected(tmp_path):
    part = small_part()

    class Fixed(torch.nn.Module):
        def forward(self, pairs):
            return part.module(pairs)[:2]

    with pytest.raises(ValueError, match=r"returns triples with shape \(2, 3\), expected \('batch', 3\)"):
        export_part(replace(part, module=Fixed()), tmp_path, tmp_path)


def test_earlier_exports_are_not_overwritten(tiny_model, tmp_path):
    (tmp_path / "onnx").mkdir()
    with pytest.raises(ValueError, match="onnx' exists; delete it, or choose another --output"):
        export(tiny_model, PROCESSOR, tmp_path)


def test_a_saved_model_is_exported_into_its_own_directory(tiny_model, tmp_path, monkeypatch, capsys):
    tiny_model.save_pretrained(tmp_path / "model")
    PROCESSOR.save_pretrained(tmp_path / "model")
    monkeypatch.setattr(module, "parts_of", lambda *given: [small_part()])
    run(ExportOptions(model=str(tmp_path / "model"), output=tmp_path / "model"))
    assert (tmp_path / "model" / "onnx" / "linear.onnx").is_file()
    assert (tmp_path / "model" / "sv_tower" / "model.safetensors").is_file()
    assert "linear: normalised outputs differ by at most" in capsys.readouterr().out


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        run(ExportOptions(model=str(tmp_path / "nowhere"), output=tmp_path / "x"))


@pytest.mark.parametrize(("options", "missing"), [({"output": "x"}, "--model"), ({"model": "x"}, "--output")])
def test_model_and_output_are_required(options, missing):
    with pytest.raises(ValueError, match=f"{missing} is missing"):
        ExportOptions(**options)


def photo(rng: np.random.Generator) -> Image.Image:
    """A smooth image, as photos are: 8 × 6 random colours, enlarged."""
    return Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((320, 240), Image.Resampling.BICUBIC)


def test_the_sv_tower_works_in_a_pipeline(tiny_model, tmp_path):
    save_sv_tower(tiny_model, PROCESSOR, tmp_path / "sv_tower")
    extractor = pipeline("image-feature-extraction", model=str(tmp_path / "sv_tower"))
    picture = photo(np.random.default_rng(0))
    ours = PROCESSOR.sv_image_processor(picture, return_tensors="pt")["sv_pixel_values"]
    theirs = extractor.image_processor(picture, return_tensors="pt")["pixel_values"]
    # In units of 0-255; the standard processor resizes rounded pixels.
    units = (ours - theirs).abs() * torch.tensor(PROCESSOR.sv_image_processor.image_std)[:, None, None]
    assert 0 < units.mean() < 0.5
    with torch.no_grad():
        expected = tiny_model.sv_model(pixel_values=theirs)
    torch.testing.assert_close(extractor(picture, return_tensors=True), expected.last_hidden_state)
    torch.testing.assert_close(extractor(picture, pool=True, return_tensors=True), expected.pooler_output)


def test_an_sv_tower_of_another_family_works_in_a_pipeline(tmp_path):
    pytest.importorskip("timm", reason="the extra timm is not installed")
    tower = {
        "model_type": "timm_wrapper",
        "architecture": "vit_tiny_patch16_224",
        "model_args": {"img_size": 64, "depth": 1},
    }
    config = GairConfig.tiny(sv_config=tower)
    model, processor = GairModel(config).eval(), GairProcessor.for_config(config)
    save_sv_tower(model, processor, tmp_path / "sv_tower")
    extractor = pipeline("image-feature-extraction", model=str(tmp_path / "sv_tower"))
    picture = photo(np.random.default_rng(0))
    pixels = extractor.image_processor(picture, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model.sv_model(pixel_values=pixels).pooler_output
    torch.testing.assert_close(extractor(picture, pool=True, return_tensors=True), expected)
