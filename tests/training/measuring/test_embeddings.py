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
"""Embeddings of pairs for evaluation, and reports of unusable pairs."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

pytest.importorskip("sklearn", reason="the extra train is not installed")
pytest.importorskip("rasterio", reason="the extra train is not installed")
from modeling_gair import GairConfig, GairModel
from tests.helpers.models import pixel_model
from tests.helpers.pairs import PROCESSOR, evaluation, packed, read_rows, write_csv, write_pairs
from training.measuring import embeddings
from training.measuring.embeddings import draw_similarity, embed, embed_pairs, resolution_m
from training.measuring.retrieval import headline
from training.measuring.tables import format_measures, measure
from training.pairs.loading import EvaluationPairs, load_batches, prepare_pairs
from training.pairs.sources import open_source


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """12 photos in 4 tiles."""
    return write_pairs(tmp_path_factory.mktemp("pairs"), 12, tiles=4)


def test_embeddings_equal_the_outputs_of_the_model(tiny_model, path):
    batch = next(iter(evaluation(path)))
    inputs = prepare_pairs(batch, PROCESSOR, torch.device("cpu"))
    ours = embed(tiny_model, inputs)
    with torch.no_grad():
        theirs = tiny_model(**inputs)
    for name, value in {
        "sv": theirs.sv_embeds,
        "nili": theirs.localized_rs_embeds[:, 0],
        "tile_mean": theirs.rs_embeds[inputs["tile_index"]],
        "location": theirs.location_embeds,
    }.items():
        torch.testing.assert_close(ours[name], value)
    assert not torch.allclose(ours["bilinear"], ours["bicubic"])
    assert "without_pixels" in ours
    assert "without_pixels" not in embed(GairModel(GairConfig.tiny(pixel_window=0)).eval(), inputs)


@pytest.mark.parametrize("mode", ["nili", "bilinear", "mean"])
def test_a_model_with_pixels_is_read_in_its_own_mode_with_and_without_them(path, mode):
    model = pixel_model(query_mode=mode)
    inputs = prepare_pairs(next(iter(evaluation(path))), PROCESSOR, torch.device("cpu"))
    ours = embed(model, inputs)
    with torch.no_grad():
        tiles = model.encode_tiles(inputs["rs_pixel_values"])
        for name, options in {
            "nili": {"mode": "nili"},
            "bicubic": {"mode": "bicubic"},
            mode: {},
            "without_pixels": {"with_pixels": False},
        }.items():
            read = model.localize(tiles, inputs["query_points"], tile_index=inputs["tile_index"], **options)[:, 0]
            torch.testing.assert_close(ours[name], torch.nn.functional.normalize(read, dim=-1))
    assert (ours[mode] - ours["without_pixels"]).abs().max() > 0.01
    (pairs,) = embed_pairs([model], PROCESSOR, load_batches(evaluation(path), 0), "embed")
    assert pairs.mode == mode
    text = format_measures(measure((pairs, pairs), (pairs, pairs)))
    titles = [line for line in text.splitlines() if line.startswith("SV → RS")]
    assert titles[0].startswith(headline(mode)) and titles[1].startswith("SV → RS at the point (without pixels)")


def test_several_models_embed_the_same_batches(tiny_model, path):
    first, second = embed_pairs(
        [tiny_model, tiny_model], PROCESSOR, load_batches(evaluation(path, batch_size=3), 0), "embed"
    )
    (whole,) = embed_pairs([tiny_model], PROCESSOR, load_batches(evaluation(path), 0), "embed")
    assert first.tile_index.tolist() == whole.tile_index.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    for name, value in whole.embeddings.items():
        torch.testing.assert_close(first.embeddings[name], value)
        assert torch.equal(first.embeddings[name], second.embeddings[name])
    found = measure((whole, whole), (whole, whole))
    assert (found["tiles"], found["photos"], found["probes"]) == (4, 12, {})
    text = format_measures(found)
    assert "one photo of each of 4 tiles" in text and "Among the photos of one tile" in text


def test_unusable_items_are_left_out_and_reported(tiny_model, path, capsys):
    rows = read_rows(path)
    for row in rows:
        # All photos of tile 0, which make up the first batch, and one of tile 1.
        if int(row[0]) % 4 == 0 or row[0] == "001":
            row[3] = "50"
    bad = write_csv(path.with_name("bad.csv"), rows)
    (pairs,) = embed_pairs([tiny_model], PROCESSOR, load_batches(evaluation(bad, batch_size=1), 0), "embed")
    assert pairs.tile_index.tolist() == [0, 0, 1, 1, 1, 2, 2, 2]
    assert "embed: left out 4 bad tiles and photos (4 by place); the first: Pair '000'" in capsys.readouterr().out


def test_fewer_than_two_usable_photos_are_refused(tiny_model, path):
    rows = [[*row[:3], "50", row[4]] for row in read_rows(path)]
    with pytest.raises(ValueError, match="Fewer than two good photos"):
        embed_pairs(
            [tiny_model], PROCESSOR, load_batches(evaluation(write_csv(path.with_name("bad.csv"), rows)), 0), "embed"
        )


@pytest.fixture
def figures(monkeypatch):
    """The arguments that figures are drawn with, by function."""
    drawn = {}
    for name in ("similarity_figure", "readings_figure"):
        draw = getattr(embeddings, name)

        def kept(*arguments, name=name, draw=draw):
            drawn[name] = arguments
            draw(*arguments)

        monkeypatch.setattr(embeddings, name, kept)
    return drawn


def _size(path):
    with Image.open(path) as picture:
        return picture.size


def test_a_model_without_pixels_is_drawn_by_its_own_reading(path, tmp_path, figures):
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(pixel_window=0, nili_init="normal")).eval()
    draw_similarity(model, PROCESSOR, next(iter(evaluation(path))), tmp_path / "similarity.png", "title")
    assert list(figures) == ["similarity_figure"] and min(_size(tmp_path / "similarity.png")) > 200
    _, title, examples = figures["similarity_figure"]
    assert title == "title" and [len(example.maps) for example in examples] == [1] * 4


def test_a_model_with_pixels_is_drawn_without_and_with_them(path, tmp_path, figures):
    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(nili_init="normal")).eval()
    torch.nn.init.normal_(model.pixel_query.out_proj.weight, std=0.2)
    batch = next(iter(evaluation(path)))
    draw_similarity(model, PROCESSOR, batch, tmp_path / "similarity.png", "title")
    width, height = _size(tmp_path / "similarity.png")
    assert list(figures) == ["readings_figure"] and width > height > 200
    _, _, names, examples = figures["readings_figure"]
    # The first photo of each of the first three tiles is drawn.
    assert len(examples) == 3 and ["patches of" in names[0], "in pixels" in names[1]] == [True, True]
    inputs = prepare_pairs(batch, PROCESSOR, torch.device("cpu"))
    for tile, example in enumerate(examples):
        photo = batch.tile_index.tolist().index(tile)
        assert example.point == tuple(batch.query_points[photo, 0].tolist())
        for drawn, with_pixels in zip(example.maps, (False, True), strict=True):
            with torch.no_grad():
                tiles = model.encode_tiles(inputs["rs_pixel_values"][tile : tile + 1])
                points = model.feature_map(tiles, (128, 128), with_pixels=with_pixels)
                sv = model.get_sv_features(inputs["sv_pixel_values"][photo : photo + 1])
                own = model.localize(tiles, inputs["query_points"][photo : photo + 1], with_pixels=with_pixels)[0]
            expected = torch.cosine_similarity(points, sv[:, :, None, None], dim=1)[0].numpy()
            np.testing.assert_allclose(drawn.cosines, expected, atol=1e-5)
            assert drawn.own == pytest.approx(torch.cosine_similarity(own, sv).item(), abs=1e-5)


def test_the_scale_of_a_patch_and_of_a_pixel_is_that_of_the_tile(tiny_model, path):
    batch = next(iter(evaluation(path)))
    width = batch.tile_sizes_m[0][0]
    assert resolution_m(tiny_model, PROCESSOR, batch) == pytest.approx((width / 12, width / 96))


@pytest.mark.parametrize(
    "labels", [["wet", "dry", "", "wet"], [0.5, None, 0.25, 1.0], [[1.0], [1.0, 2.0], [], [3.0]], [0.5] * 4]
)
def test_columns_that_are_no_labels_are_not_used_and_said(tiny_model, path, tmp_path, capsys, labels):
    rows = [packed(row, path.parent) for row in open_source(str(path), 0.0).train]
    table = pa.Table.from_pylist([{**row, "moisture": label} for row, label in zip(rows, labels)])
    pq.write_table(table, tmp_path / "train.parquet")
    source = open_source(str(tmp_path), 0.0)
    pairs = EvaluationPairs([(source.train, source.folder)], PROCESSOR, 2, 100, ("moisture",))
    (found,) = embed_pairs([tiny_model], PROCESSOR, pairs, "embed")
    told = "The column 'moisture' is not used as a label" in capsys.readouterr().out
    assert told == (labels != [0.5] * 4) and told == ("moisture" not in found.labels)
