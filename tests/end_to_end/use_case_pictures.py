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
Remakes the pictures of docs/use_cases.md by running the code of the page:

    python -m tests.end_to_end.use_case_pictures
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.helpers.pages import ROOT, make_like_a_clone, run_blocks, runnable


def main() -> None:
    """Runs the page in a folder of its own and copies what it drew."""
    blocks = runnable(ROOT / "docs" / "use_cases.md")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_like_a_clone(folder)
        os.chdir(folder)
        run_blocks(blocks, folder, folder / "caches")
        for picture in sorted(folder.glob("use-case-*.png")):
            with Image.open(picture) as drawn:
                drawn.convert("P", palette=Image.Palette.ADAPTIVE).save(
                    ROOT / "docs" / "images" / picture.name, optimize=True
                )
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
