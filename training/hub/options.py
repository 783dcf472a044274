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
"""Options of `training/release.py` and `training.hub.space_files`; imports neither PyTorch nor the model."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.utils import validate_repo_id

SPACE = Path(__file__).parents[2] / "spaces_demo"


@dataclass(kw_only=True)
class ReleaseOptions:
    """
    Publish a model or the Space on the Hugging Face Hub.

    Attributes:
        model: directory written by training/pretrain.py or by the converter; with --space, a model on the Hub to show
        repo: model repository to publish to, as ORG/NAME; it is created if it does not exist
        space: publish spaces_demo to this Space, as ORG/NAME, instead of a model; it is created if it does not exist
        branch: branch to push to instead of main; it is created if it does not exist
        private: create a private repository
        pull_request: open a pull request on an existing repository instead of pushing to it
        dry_run: list the files that would be pushed; measure and push nothing
        license: license of the weights, by its name on the Hub; needed only if the model directory does not state one
        data: held-out pairs for measuring the similarity ranges: a CSV, a folder or a data set on the Hub (default: keep
            the ranges in the config; if it has none, measure them on the sample world)
        results: results.csv of training/evaluate.py; the rows of this model are published with it

    Raises:
        ValueError: options that contradict each other, or an invalid repository name.
    """

    model: str | None = None
    repo: str | None = None
    space: str | None = None
    branch: str | None = None
    private: bool = False
    pull_request: bool = False
    dry_run: bool = False
    license: str | None = None
    data: str | None = None
    results: str | None = None

    def __post_init__(self) -> None:
        if bool(self.repo) == bool(self.space):
            raise ValueError(
                "Pass either --repo ORG/NAME, to publish a model, or --space ORG/NAME, to publish the Space."
            )
        if self.space:
            self._check_space()
        elif not self.model:
            raise ValueError("--model is missing; pass the directory of the model to publish.")
        flag = "space" if self.space else "repo"
        validate_repo_id(self.target)
        if "/" not in self.target:
            raise ValueError(f"--{flag} is {self.target!r}, expected ORG/NAME or USER/NAME; add the owner.")
        if self.branch and self.pull_request:
            raise ValueError(
                "--branch and --pull_request exclude each other: pull requests go to main; drop one of them."
            )

    @property
    def target(self) -> str:
        """The repository to publish to, of a model or a Space."""
        return self.repo or self.space or ""

    def _check_space(self) -> None:
        for name in ("license", "data", "results"):
            if getattr(self, name):
                raise ValueError(f"--{name} does not apply to --space: a Space has no weights; drop --{name}.")
        if not self.model:
            return
        if self.branch or self.pull_request:
            raise ValueError(
                "--model can't be combined with --branch or --pull_request: the model is a setting of the whole Space; drop "
                "--model."
            )
        validate_repo_id(self.model)
        if Path(self.model).exists() or "/" not in self.model:
            raise ValueError(f"--model is {self.model!r}, expected a model on the Hub, as ORG/NAME; publish it first.")


@dataclass(kw_only=True)
class SpaceFilesOptions:
    """
    Write the files bundled with the Space.

    Attributes:
        model: directory written by training/pretrain.py
        output: folder of the Space

    Raises:
        ValueError: no model.
    """

    model: str | None = None
    output: Path = SPACE

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("--model is missing; pass a directory written by training/pretrain.py.")
