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
"""The command line of training/search.py."""

from collections.abc import Callable, Sequence
from typing import Any

from training.common.command_line import parse_options
from training.searching.options import ClassifyOptions, IndexOptions, QueryOptions

_PROGRAM = "python training/search.py"
_ABOUT: dict[str, tuple[type, str]] = {
    "index": (IndexOptions, "Prepare the embeddings in OUT for searching."),
    "query": (QueryOptions, "Find the rows of OUT most similar to a photo, a tile, a place or another row."),
    "classify": (ClassifyOptions, "Classify all rows or pixels of OUT from a few labelled places."),
}
_HELP = f"""usage: {_PROGRAM} COMMAND OUT [options]

OUT is a folder written by training/embed.py. Each command describes its options: {_PROGRAM} COMMAND OUT --help

commands:
""" + "\n".join(f"  {name:<10}{about}" for name, (_, about) in _ABOUT.items())


def main(arguments: Sequence[str]) -> int | None:
    """
    Runs one of the commands.

    Raises:
        ValueError: the command or an option is wrong, or the command refuses its input.
    """
    if not arguments or arguments[0] in ("--help", "-h"):
        print(_HELP)
        return None
    command, *rest = arguments
    if command not in _ABOUT:
        raise ValueError(
            f"{command!r} is not a command of training/search.py; expected {', '.join(_ABOUT)}, each followed by a folder."
        )
    kind, about = _ABOUT[command]
    options: Any = parse_options(kind, _with_named_folders(rest), f"{_PROGRAM} {command} OUT", about)
    _runner(command)(options)
    return None


def _with_named_folders(arguments: Sequence[str]) -> list[str]:
    """The folders before the first option, as the option that `--help` shows."""
    first = next((at for at, argument in enumerate(arguments) if argument.startswith("-")), len(arguments))
    folders, others = arguments[:first], list(arguments[first:])
    return [*(["--out", *folders] if folders else []), *others]


def _runner(command: str) -> Callable[[Any], None]:
    """Imported here, so that --help and refusals need not wait for the libraries."""
    if command == "index":
        from training.searching.build import build_index

        return build_index
    if command == "query":
        from training.searching.query import run_query

        return run_query
    from training.searching.classify import classify

    return classify
