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
"""The SV tower as a standard model of transformers, which loads without the code of this package."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from modeling_gair import GairModel, GairProcessor


def save_sv_tower(model: GairModel, processor: GairProcessor, folder: Path) -> None:
    """
    Saves the SV tower and an image processor, so that `pipeline("image-feature-extraction", model=folder)` works without
    remote code. Its features precede the projection into the shared space.

    The standard processor resizes 8-bit pixels with antialiasing; GAIR's resizes normalised pixels, and antialiases only if
    `antialias` is set. `tests/speed/sv_pixels.py` measures the difference.

    Args:
        model ([`GairModel`]): its `sv_model` is saved.
        processor ([`GairProcessor`]): the model's.
        folder (`Path`): is created.
    """
    model.sv_model.save_pretrained(folder)
    settings = json.dumps(standard_settings(processor.sv_image_processor), indent=2)
    (folder / "preprocessor_config.json").write_text(settings, encoding="utf-8")


def standard_settings(sv_image_processor: Any) -> dict[str, Any]:
    """The settings of a `ViTImageProcessor` closest to those of a `GairSVImageProcessor`."""
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": sv_image_processor.size,
        "resample": Image.Resampling.BICUBIC.value,
        # Mean and standard deviation are in units of the pixels, 0-255.
        "do_rescale": False,
        "do_normalize": True,
        "image_mean": sv_image_processor.image_mean,
        "image_std": sv_image_processor.image_std,
    }
