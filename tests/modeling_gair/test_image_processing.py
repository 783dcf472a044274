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
"""The image processors: bands by name, units, no-data, resizing, photos of every mode, parity with the release."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from modeling_gair import BAND_ORDERS, GairRSImageProcessor, GairSVImageProcessor
from modeling_gair.image_processing_gair_rs import GAIR_BANDS


def made_tile(bands=10, height=40, width=50, dtype=np.uint16):
    return np.random.default_rng(1).integers(1, 4000, (bands, height, width)).astype(dtype)


@pytest.mark.parametrize("key", BAND_ORDERS)
def test_declared_band_orders_are_selected_by_name(key):
    stack = made_tile(len(BAND_ORDERS[key]))
    tile = GairRSImageProcessor().read(stack, bands=key)
    np.testing.assert_array_equal(tile.pixels, stack[[BAND_ORDERS[key].index(name) for name in GAIR_BANDS]])


def test_all_spellings_of_band_names_are_understood():
    names = ["2", "b3", "B04", "05", "B6", "B07", "8", "B08A", "11", "B12"]
    stack = made_tile()
    np.testing.assert_array_equal(GairRSImageProcessor().read(stack, bands=names).pixels, stack)
    np.testing.assert_array_equal(GairRSImageProcessor().read(torch.from_numpy(stack), bands=names).pixels, stack)


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (None, "without usable names; pass bands=.*gair_10.*sentinel2_l2a_12.*sentinel2_l1c_13"),
        ("l2a", "not a known order"),
        ("sentinel2_l2a_12", "has 10 bands but bands lists 12"),
        (["B2", "B02", *GAIR_BANDS[2:]], "names B02 more than once"),
        (["SCL", *GAIR_BANDS[1:]], "lacks B02"),
        ([1, *GAIR_BANDS[1:]], "expected band names"),
    ],
)
def test_invalid_bands_are_refused(bands, message):
    with pytest.raises(ValueError, match=message):
        GairRSImageProcessor().read(made_tile(), bands=bands)


def test_absent_bands_are_filled_with_their_mean():
    processor = GairRSImageProcessor(missing_bands="mean")
    stack = made_tile(2)
    tile = processor.read(stack, bands=["B12", "B02"])
    np.testing.assert_array_equal(tile.pixels[0], stack[1])
    assert (tile.pixels[1] == 1378).all()
    with pytest.raises(ValueError, match="lacks"):
        processor.read(stack, bands=["SCL", "AOT"])
    reflectance = GairRSImageProcessor(missing_bands="mean", units="reflectance", digital_number_offset=-1000)
    tile = reflectance.read(stack / 1e4, bands=["B12", "B02"])
    assert tile.pixels[1, 0, 0] == pytest.approx(0.23780846)
    assert reflectance.prepare([tile.pixels])[0, 1].mean() == pytest.approx(0.5, abs=1e-5)


def test_nan_marks_pixels_without_data():
    stack = made_tile(dtype=np.float32)
    stack[4, :20] = np.nan
    tile = GairRSImageProcessor().read(stack, bands="gair_10")
    assert tile.valid_fraction == 0.5
    assert tile.pixels[0, 3, 3] == pytest.approx(1172.9397)
    assert np.isfinite(tile.pixels).all()


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (np.full((10, 40, 40), np.nan), "contains no data here"),
        (np.full((10, 40, 40), np.inf), "contains inf"),
        (made_tile(dtype=np.uint8), "contains uint8"),
        (made_tile().astype(np.complex64), "contains complex64"),
        (made_tile() / 1e4, "looks like reflectance"),
        (made_tile()[0], r"expected \(C, H, W\)"),
        (np.ma.masked_equal(made_tile(), 3), "masked array"),
        (3, "is int 3, expected a GeoTIFF"),
    ],
)
def test_invalid_pixels_are_refused(stack, message):
    with pytest.raises(ValueError, match=message):
        GairRSImageProcessor().read(stack, bands="gair_10")


def test_digital_numbers_are_refused_as_reflectance():
    for stack in (made_tile(), made_tile(dtype=np.float32)):
        with pytest.raises(ValueError, match="looks like digital numbers"):
            GairRSImageProcessor(units="reflectance").read(stack, bands="gair_10")


def test_units_and_offset_give_equal_pixels():
    stack = made_tile()
    expected = GairRSImageProcessor().prepare([stack])
    reflectance = GairRSImageProcessor(units="reflectance").prepare([stack / 1e4])
    offset = GairRSImageProcessor(digital_number_offset=-1000).prepare([stack + 1000])
    torch.testing.assert_close(reflectance, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(offset, expected, rtol=0, atol=1e-5)


def test_the_size_on_the_ground_is_checked():
    stack, side = made_tile(), 0.01
    processor = GairRSImageProcessor()
    assert processor.read(stack, bands="gair_10", bounds=(0, 0, side, side)).bounds == (0, 0, side, side)
    # 0.01 degrees of longitude at 80 degrees north are 194 m.
    for bounds in ((0, 80, side, 80 + side), (0, 0, 0.1, side)):
        with pytest.raises(ValueError, match="expected sides of 500 to 5000 m"):
            processor.read(stack, bands="gair_10", bounds=bounds)
        assert GairRSImageProcessor(allow_any_scale=True).read(stack, bands="gair_10", bounds=bounds).bounds == bounds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bounds": (0, 0.01, 0.01, 0)}, "west < east and south < north"),
        ({"bounds": (0, 0, 1)}, "expected four numbers"),
        ({"bounds": (0, 0, np.nan, 1)}, "finite"),
        ({"bounds": (500000, 0, 501000, 1000)}, "degrees on the Earth"),
        ({"crs": "EPSG:4326"}, "given without bounds"),
        ({"tile_size_m": 1000, "lon": 0, "lat": 0}, "given with an array"),
        ({"tile_size_m": 1000}, "without lon, lat"),
        ({"lon": 0, "lat": 0}, "without tile_size_m"),
        ({"tile_size_m": 100, "lon": 0, "lat": 0}, "expected 500 to 5000 m"),
        ({"tile_size_m": float("nan"), "lon": 0, "lat": 0}, "metres above 0"),
    ],
)
def test_invalid_bounds_and_windows_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GairRSImageProcessor().read(made_tile(), bands="gair_10", **arguments)


def test_a_batch_may_mix_sizes_and_types():
    processor = GairRSImageProcessor(size=32)
    small, large = made_tile(), made_tile(height=70, width=60)
    batch = processor.prepare([small, large, torch.from_numpy(small)])
    assert batch.shape == (3, 10, 32, 32)
    torch.testing.assert_close(batch[0], batch[2])
    torch.testing.assert_close(batch[1:2], processor.prepare(large))
    torch.testing.assert_close(processor.prepare(np.stack([small, small])), batch[[0, 0]])
    with pytest.raises(ValueError, match="pass it through read first"):
        processor.prepare([small[:3]])


@pytest.mark.parametrize(
    ("processor", "shape"),
    [(GairRSImageProcessor(size=16), (7, 10, 24, 20)), (GairSVImageProcessor(size=16), (7, 24, 20, 3))],
)
def test_a_batch_is_prepared_in_parts_and_left_as_it_was(processor, shape, monkeypatch):
    values = torch.from_numpy(np.random.default_rng(0).integers(0, 255, shape))
    batch = values.to(torch.float32)
    whole = processor.prepare(batch)
    monkeypatch.setattr("modeling_gair.pixels_gair._VALUES_AT_A_TIME", 2 * batch[0].numel())
    for images in (batch, list(batch), list(batch.numpy()), [*batch[:3], *batch[3:].numpy()]):
        torch.testing.assert_close(processor.prepare(images), whole)
    assert batch.equal(values.to(torch.float32))


def test_preprocess_reads_and_prepares_lists():
    stacks = [made_tile(12), made_tile(12)]
    processor = GairRSImageProcessor()
    bounds = [(0, 0, 0.01, 0.01), None]
    features = processor(stacks, bands="sentinel2_l2a_12", bounds=bounds, crs="EPSG:4326", return_tensors="pt")
    assert features["rs_pixel_values"].shape == (2, 10, 96, 96)
    assert isinstance(processor(stacks[0], bands="sentinel2_l2a_12")["rs_pixel_values"], np.ndarray)
    with pytest.raises(ValueError, match="1 boxes for 2 tiles"):
        processor(stacks, bands="sentinel2_l2a_12", bounds=bounds[0])
    with pytest.raises(ValueError, match="list of images is empty"):
        processor([])


def test_pixels_are_clipped_and_quantised():
    bright = np.full((10, 32, 32), 9000, np.uint16)
    assert GairRSImageProcessor().prepare([bright]).max() == pytest.approx(1)
    assert GairRSImageProcessor(clip_range=None).prepare([bright]).min() > 2
    levels = GairRSImageProcessor(size={"height": 40, "width": 50}, quantize=True, antialias=False).prepare(
        [made_tile()]
    )
    torch.testing.assert_close(levels * 255, (levels * 255).round(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        {"bands": []},
        {"bands": ["B02", "B2"]},
        {"bands": ["B01"]},
        {"units": "percent"},
        {"missing_bands": "skip"},
        {"clip_range": (1, 0)},
        {"size": {"shortest_edge": 96}},
        {"band_std": dict.fromkeys(GAIR_BANDS, 0)},
    ],
)
def test_invalid_settings_are_refused(settings):
    with pytest.raises(ValueError):
        GairRSImageProcessor(**settings)


@pytest.mark.parametrize(
    "processor",
    [
        GairRSImageProcessor(antialias=False, quantize=True, clip_range=None, units="reflectance", size=48),
        GairSVImageProcessor(size=64, antialias=False, image_mean=[1, 2, 3]),
    ],
)
def test_saving_and_loading_changes_nothing(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    assert type(processor).from_pretrained(tmp_path).to_dict() == processor.to_dict()


def test_pixels_equal_the_published_ones(data_dir, reference_dir):
    reference = load_file(reference_dir / "parity.safetensors")
    rs, sv = GairRSImageProcessor(antialias=False, quantize=True), GairSVImageProcessor(antialias=False)
    for city in ("detroit", "tokyo"):
        photo = sv.prepare([sv.read(data_dir / f"{city}_sv.jpg")])
        torch.testing.assert_close(photo, reference[f"{city}.sv_pixel_values"], rtol=0, atol=0.5 / 59)
        if city == "detroit":
            pytest.importorskip("rasterio")
        tile = rs.prepare([rs.read(data_dir / f"{city}_rs.tif").pixels])
        torch.testing.assert_close(tile, reference[f"{city}.rs_pixel_values"], rtol=0, atol=0.5 / 255)


def photo(mode="RGB", size=(30, 20)):
    return Image.fromarray(np.random.default_rng(2).integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(mode)


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "RGBA", "LA"])
def test_every_image_mode_becomes_rgb(mode):
    image = photo(mode)
    read = GairSVImageProcessor().read(image)
    assert read.shape == (20, 30, 3)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "P"), ("WEBP", "RGB"),
                                            ("TIFF", "RGB"), ("BMP", "RGB"), ("GIF", "P")])  # fmt: skip
def test_every_image_format_is_read(kind, mode, tmp_path):
    data = encoded(photo(mode), kind)
    (tmp_path / "p").write_bytes(data)
    processor = GairSVImageProcessor()
    np.testing.assert_array_equal(processor.read(data), processor.read(tmp_path / "p"))
    np.testing.assert_array_equal(processor.read(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_transparent_pixels_are_blended_with_white():
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[0] = (10, 20, 30, 255)
    rgba[1, :, 3] = 128
    for source in (rgba, Image.fromarray(rgba), encoded(Image.fromarray(rgba))):
        read = GairSVImageProcessor().read(source)
        assert read[:, 0].tolist() == [[10, 20, 30], [127] * 3, [255] * 3, [255] * 3]


def test_sixteen_bits_are_rounded_to_eight():
    grey = np.array([[0, 257, 65535]], np.uint16)
    processor = GairSVImageProcessor()
    for source in (grey, encoded(Image.fromarray(grey)), Image.fromarray(grey), Image.fromarray(grey.astype(np.int32))):
        assert processor.read(source)[0, :, 1].tolist() == [0, 1, 255]
    with pytest.raises(ValueError, match="32-bit"):
        processor.read(Image.fromarray(np.array([[70000]], np.int32)))
    with pytest.raises(ValueError, match="floating-point"):
        processor.read(Image.fromarray(np.ones((3, 3), np.float32)))


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = photo()
    read = GairSVImageProcessor().read(encoded(image, exif=exif))
    np.testing.assert_array_equal(read, np.rot90(np.asarray(image), -1))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"no image", "cannot be decoded"),
        (encoded(photo(size=(300, 200)), "JPEG")[:4000], "cannot be decoded"),
        (encoded(photo())[:900], "cannot be decoded"),
        (encoded(photo(), "PPM"), "cannot be decoded"),
        (encoded(photo("P"), "GIF", save_all=True, append_images=[photo("L").convert("P")]), "animated"),
        ("https://x.org/a.jpg", "remote"),
        ("none.jpg", "file not found"),
        (np.zeros((3, 20, 30), np.uint8), "transpose it"),
        (np.zeros((20, 30, 3), np.float32), "dtype float32"),
        (None, "NoneType"),
    ],
)
def test_invalid_photos_are_refused(source, message):
    with pytest.raises(ValueError, match=message):
        GairSVImageProcessor().read(source)


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="too many pixels"):
        GairSVImageProcessor().read(encoded(photo()))


def _smooth_photo(width, height):
    y, x = np.mgrid[:height, :width] / max(width, height)
    colours = np.stack([np.sin(9 * x + 5 * y), np.cos(7 * x * y), np.sin(11 * y)], axis=-1)
    return Image.fromarray((128 + 90 * colours).astype(np.uint8))


def test_drafts_of_large_jpegs_are_smaller_and_almost_the_same(tmp_path):
    whole, draft = GairSVImageProcessor(), GairSVImageProcessor(draft=True)
    for width, height, expected in ((1920, 1080, (270, 480, 3)), (700, 500, (250, 350, 3)), (340, 260, (260, 340, 3))):
        photo = tmp_path / f"{width}.jpg"
        _smooth_photo(width, height).save(photo, quality=95)
        assert draft.read(photo).shape == draft.read(photo.read_bytes()).shape == expected
        levels = (
            whole(whole.read(photo), return_tensors="pt")["sv_pixel_values"] - draft.prepare(draft.read(photo))
        ) * 60
        assert levels.abs().mean() < 1 and levels.abs().max() < 8


def test_drafts_are_never_below_the_size_and_only_of_jpegs(tmp_path):
    draft, photo = GairSVImageProcessor(draft=True, size={"height": 100, "width": 300}), _smooth_photo(640, 1300)
    turned = Image.Exif()
    turned[0x0112] = 6
    photo.save(tmp_path / "turned.jpg", exif=turned)
    assert draft.read(tmp_path / "turned.jpg").shape == (320, 650, 3)
    photo.save(tmp_path / "photo.png")
    assert draft.read(tmp_path / "photo.png").shape == (1300, 640, 3) == draft.read(photo).shape


def test_photos_of_several_sizes_form_one_batch():
    processor = GairSVImageProcessor(size=32)
    batch = processor([photo(), photo(size=(40, 60)), np.asarray(photo())], return_tensors="pt")["sv_pixel_values"]
    assert batch.shape == (3, 3, 32, 32)
    torch.testing.assert_close(batch[0], batch[2])
    grey = processor.prepare(torch.full((2, 10, 10, 3), 255, dtype=torch.uint8))
    torch.testing.assert_close(grey[0, 0], torch.full((32, 32), (255 - 135.47184384) / 59.19978436))
    with pytest.raises(ValueError, match="pass it through read first"):
        processor.prepare(torch.zeros(3, 10, 10))
