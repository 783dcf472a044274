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
"""Pre-trains GAIR on Sentinel-2 tiles and the street views taken in them: `accelerate launch training/pretrain.py`."""

from training.common.programs import run_program
from training.pretraining.settings import load_settings


def main(arguments: list[str]) -> None:
    settings = load_settings(arguments)
    # Imported once the arguments are parsed, so that --help and refusals come at once.
    from training.pretraining.loop import pretrain

    pretrain(settings)


if __name__ == "__main__":
    run_program(main)
