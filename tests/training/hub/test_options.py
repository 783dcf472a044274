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
"""Options of training/release.py that contradict each other are errors."""

import re

import pytest

from training.hub.options import ReleaseOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "DIR"}, "Pass either --repo ORG/NAME"),
        ({"model": "DIR", "repo": "a/b", "space": "a/b"}, "Pass either --repo ORG/NAME"),
        ({"repo": "a/b"}, "--model is missing"),
        ({"model": "DIR", "repo": "gair"}, "--repo is 'gair', expected ORG/NAME"),
        ({"model": "DIR", "repo": "a/b/c"}, "a/b/c"),
        ({"model": "DIR", "repo": "a/b", "branch": "x", "pull_request": True}, "--branch and --pull_request exclude"),
        ({"space": "page"}, "--space is 'page', expected ORG/NAME"),
        ({"space": "a/b", "license": "mit"}, "--license does not apply to --space"),
        ({"space": "a/b", "model": "tests"}, "--model is 'tests', expected a model on the Hub"),
        ({"space": "a/b", "model": "c/d", "branch": "next"}, "--model can't be combined with --branch"),
    ],
)
def test_contradictory_options_are_errors(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ReleaseOptions(**options)
