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
Converts docstrings in Hugging Face's style to plain Markdown for the API pages: `Args:` becomes a list, and [`Name`] a link to
the documentation of that name. Parsers of Google's style reject types with colons or shapes, and several parameters in a line.
"""

import re
import textwrap
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import griffe

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Example):")
# "name, other (`type` of shape `(B, 2)`, *optional*):" and the rest of the line; of errors, "ValueError:".
_ENTRY = re.compile(r"(\*{0,2}\w+(?:, \w+)*)(?: (\(.+?\)))?:(?= |$)(.*)")
_LINK = re.compile(r"\[`(~?)([\w.]+)`\](?![\[(])")


class HuggingFaceStyle(griffe.Extension):
    """Rewrites the docstrings of a package once all of it is loaded."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        places = {
            name: member.path
            for module in pkg.modules.values()
            for name, member in module.members.items()
            if not member.is_alias
        }
        for module in pkg.modules.values():
            _rewrite(module, places)


def _rewrite(owner: Any, places: dict[str, str]) -> None:
    for member in owner.members.values():
        if member.is_alias:
            continue
        if member.docstring:
            text = "\n".join(_sections(member.docstring.value.splitlines()))
            member.docstring.value = _LINK.sub(lambda link: _linked(link, places), text)
        if member.is_class:
            _rewrite(member, places)


def _sections(lines: list[str]) -> Iterator[str]:
    position = 0
    while position < len(lines):
        header = _SECTION.fullmatch(lines[position].rstrip())
        position += 1
        if not header:
            yield lines[position - 1]
            continue
        body = list(takewhile(lambda line: not line or line.startswith(" "), lines[position:]))
        position += len(body)
        yield from ("", f"**{header[1]}**", "")
        inner = textwrap.dedent("\n".join(body)).splitlines()
        yield from inner if header[1] in ("Returns", "Example") else map(_listed, inner)
        yield ""


def _listed(line: str) -> str:
    """Turns the first line of an entry into a list item; its other lines stay indented."""
    entry = _ENTRY.match(line)
    if not entry:
        return line
    names, kind, rest = entry.groups()
    marked = ", ".join(f"`{name}`" for name in names.split(", "))
    return f"- {marked}{f' {kind}' if kind else ''}:{rest}"


def _linked(link: re.Match, places: dict[str, str]) -> str:
    """Links to the documentation of a name; `~` shows only what follows the last dot, as in Hugging Face's docs."""
    shortened, name = link.groups()
    first, _, rest = name.partition(".")
    if first not in places:
        return f"`{name}`"
    target = f"{places[first]}.{rest}" if rest else places[first]
    return f"[`{name.rpartition('.')[2] if shortened else name}`][{target}]"
