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
"""The README: its Python runs as written, and it holds the two commands that CI reads."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_its_python_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert blocks
    namespace: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    assert "torch.Size([1, 96])" in capsys.readouterr().out
    assert namespace["dense"].shape == (1, 96, 128, 128)


def test_it_holds_one_command_to_train_and_one_to_test():
    (train,) = re.findall(r"<!-- ci: main job -->\n```bash\n(.+)\n```", TEXT)
    assert ".[train]" in train and train.endswith("accelerate launch training/pretrain.py")
    (test,) = re.findall(r"<!-- ci: test -->\n```bash\n(.+)\n```", TEXT)
    assert ".[test]" in test and "pytest" in test
