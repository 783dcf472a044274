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
"""Photos of a folder, placed by their headers."""

import io

import pytest
from PIL import Image

from tests.helpers.embedding import jpeg
from training.street_pairs.photo_sources.folder import folder_photos


def test_photos_are_placed_by_their_headers(tmp_path):
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "a.jpg").write_bytes(jpeg(13.25, -52.5, "2024:05:01 12:30:00+02:00"))
    (tmp_path / "b.jpg").write_bytes(jpeg())
    (tmp_path / "c.HEIC").write_bytes(b"a photo of a telephone")
    (tmp_path / "notes.txt").write_text("no photo")
    listed = folder_photos(tmp_path)
    (row,) = listed.photos.to_pylist()
    assert row["photo_id"] == "walk/a.jpg" and row["path"] == str(tmp_path / "walk" / "a.jpg")
    assert (round(row["lon"], 6), round(row["lat"], 6)) == (13.25, -52.5)
    assert row["position"] == "exif" and row["source"] == tmp_path.name and row["time"].hour == 10
    (one, why), (other, format) = listed.unreadable
    assert (one, other) == ("b.jpg", "c.HEIC") and "no position" in why and "save it as JPEG" in format


@pytest.mark.parametrize(
    ("direction", "heading"), [((359.5, "T"), 359.5), ((360.0, "T"), 0.0), ((90.0, "M"), None), (None, None)]
)
def test_headings_are_from_true_north(tmp_path, direction, heading):
    (tmp_path / "a.jpg").write_bytes(jpeg(13.0, 52.0, direction=direction))
    assert folder_photos(tmp_path).photos["heading"].to_pylist() == [heading]


def test_panoramas_are_told_by_their_metadata(tmp_path):
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><GPano:ProjectionType>equirectangular</GPano:ProjectionType></x:xmpmeta>'
    )
    image = Image.open(io.BytesIO(jpeg(13.0, 52.0)))
    image.save(tmp_path / "a.jpg", exif=image.getexif(), xmp=xmp)
    assert folder_photos(tmp_path).photos["camera"].to_pylist() == ["spherical"]


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no photos"):
        folder_photos(tmp_path)
