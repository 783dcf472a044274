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
"""
Differences between a standard image processor and GAIR's own, in pixels and in embeddings of photos:

    python -m tests.speed.sv_pixels --model DIR_OR_REPO PHOTO [PHOTO …]

Both process the same photos, GAIR's processor with and without antialiasing. Prints the results; asserts nothing.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from modeling_gair import GairModel, GairSVImageProcessor
from training.benchmarks.encoders.gair import open_gair
from training.exporting.sv_tower import save_sv_tower


@torch.no_grad()
def compare(model: GairModel, ours: GairSVImageProcessor, standard: object, photos: list[str]) -> str:
    """One line: differences of pixels in units of 0-255, and cosines of the tower's pooled features."""
    pixels = ours(photos, return_tensors="pt")["sv_pixel_values"]
    others = standard([Image.open(photo) for photo in photos], return_tensors="pt")["pixel_values"]  # type: ignore[operator]
    units = (pixels - others).abs() * torch.tensor(ours.image_std)[:, None, None]
    features, theirs = (model.sv_model(pixel_values=given).pooler_output for given in (pixels, others))
    cosine = torch.cosine_similarity(features, theirs)
    return f"mean {units.mean():5.2f}, largest {units.max():6.1f}; smallest cosine of the features {cosine.min():.5f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare GAIR's pixels of photos with a standard processor's.")
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument("photos", nargs="+", metavar="PHOTO")
    chosen = parser.parse_args()
    encoder = open_gair(chosen.model, torch.device("cpu"))
    for antialias in (True, False):
        ours = encoder.processor.sv_image_processor
        ours.antialias = antialias
        with TemporaryDirectory() as folder:
            save_sv_tower(encoder.model, encoder.processor, Path(folder, "sv_tower"))
            standard = AutoImageProcessor.from_pretrained(Path(folder, "sv_tower"))
        print(f"antialias={antialias}: {compare(encoder.model, ours, standard, chosen.photos)}")


if __name__ == "__main__":
    main()
