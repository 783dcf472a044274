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
Command lines of the programs: a dataclass whose fields are the options, parsed by jsonargparse.

A program's options are defined in a module that imports neither torch nor the model, so that `--help` is fast. `--help`
shows each option's description from the `Attributes:` section of the dataclass's docstring (with its unit), its type and
its default.
"""

import copy
import json
import re
import typing
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from training.common.checks import check_keys
from training.common.errors import first_line

Options = TypeVar("Options")
# Options that the parser adds.
_THAT_EXIT = ("print_config", "help")
_NO_OPTIONS = ("config", *_THAT_EXIT)


def parse_options(
    options: type[Options],
    arguments: Sequence[str],
    program: str,
    description: str,
    config_file: Path | None = None,
    presets: Mapping[str, str] | None = None,
) -> Options:
    """
    Read a program's options from its command line and from YAML files.

    Fields of `options` may be dataclasses; dots reach inside (`--sample_world.seed 1`), also into dictionaries
    (`--model.temperature 0.1`). A boolean needs no value (`--dry_run`), and a list takes several (`--tasks a b`).
    `--config FILE` reads options from a YAML file, `--print_config` prints all of them as YAML, and `--help` describes them.

    Args:
        options (`type`): a dataclass whose fields all have defaults; required options default to None and are checked by
            the program.
        arguments (`Sequence[str]`): the arguments after the program's name.
        program (`str`): the command that starts the program, for `--help`.
        description (`str`): what the program does, for `--help`.
        config_file (`Path`, *optional*): a YAML file whose values replace the dataclass's defaults.
        presets (`Mapping[str, str]`, *optional*): options that are either the name of a preset or a dictionary, each with the
            dictionary's key for that name: with `{"model": "preset"}`, `--model tiny --model.temperature 0.1` is read as
            `{preset: tiny, temperature: 0.1}`.

    Returns:
        An instance of `options`.

    Raises:
        ValueError: an unknown option (the message names the nearest known one), a value of the wrong type, an unreadable
            file, or an error of the dataclass itself.
        SystemExit: after `--help` and `--print_config`.
    """
    parser = _make_parser(options, program, description)
    flags = _checked_flags(options, arguments, config_file)
    return options(**_parsed_values(parser, options, flags, presets or {}))


def _make_parser(options: type, program: str, description: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=program, description=description, exit_on_error=False, allow_abbrev=False, default_env=False
    )
    parser.add_argument("--config", action="config", help="YAML file with options; flags override it.")
    parser.add_class_arguments(options, None)
    return parser


def _checked_flags(options: type, arguments: Sequence[str], config_file: Path | None) -> dict[str, str]:
    """The value of each flag by its name, `config` included; all names, also those in the file, are known."""
    flags = _as_flags(options, arguments)
    _check_known(options, flags)
    if config_file is not None and "config" not in flags:
        flags = {"config": str(config_file), **flags}
    if "config" in flags:
        _check_file(options, Path(flags["config"]))
    return flags


def _parsed_values(
    parser: ArgumentParser, options: type, flags: dict[str, str], presets: Mapping[str, str]
) -> dict[str, Any]:
    """Parse flags to the values of the dataclass's fields."""
    try:
        with warnings.catch_warnings():
            # jsonargparse announces changes of its next major version.
            warnings.simplefilter("ignore", DeprecationWarning)
            flags = _with_whole_dictionaries(parser, options, flags, presets)
            made = parser.instantiate(parser.parse_args(_written(flags)))
    except ArgumentError as error:
        raise ValueError(_sentence(str(error))) from error
    return {name: _plain(value) for name, value in vars(made).items() if name not in _NO_OPTIONS}


def _with_whole_dictionaries(
    parser: ArgumentParser, options: type, flags: dict[str, str], presets: Mapping[str, str]
) -> dict[str, str]:
    """Merge flags that set keys of a dictionary (`--model.rs_config.hidden_size 96`) into one flag with the whole dictionary."""
    inside = {name: value for name, value in flags.items() if "." in name and _type_of(options, name) is None}
    if not inside:
        return flags
    outside = {name: value for name, value in flags.items() if name not in inside}
    given = parser.parse_args(_written({name: value for name, value in outside.items() if name not in _THAT_EXIT}))
    for option in dict.fromkeys(name.partition(".")[0] for name in inside):
        value = _plain(given[option])
        if isinstance(value, str) and option in presets:
            value = {presets[option]: value}
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"{option} is {value!r}, which has no keys; set --{option} itself.")
        whole = copy.deepcopy(value) or {}
        for name in inside:
            if name.startswith(f"{option}."):
                _set(whole, name, name.split(".")[1:], _parsed(inside[name]))
        outside[option] = json.dumps(whole)
    return outside


def _set(values: dict[str, Any], name: str, path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise ValueError(f"--{name} sets a key of {part}, which is {values!r} and has no keys; set {part} itself.")
    values[path[-1]] = value


def _plain(value: Any) -> Any:
    """Convert a namespace of jsonargparse to a dictionary."""
    return value.as_dict() if isinstance(value, Namespace) else value


def _as_flags(options: type, arguments: Sequence[str]) -> dict[str, str]:
    """The value of each flag by its name: `true` for a boolean without a value, a YAML list for several values."""
    flags: dict[str, str] = {}
    waiting = list(arguments)
    while waiting:
        flag = waiting.pop(0)
        if flag == "-h":
            flag = "--help"
        if not flag.startswith("--"):
            raise ValueError(f"{flag!r} is not an option; options are given as --name value.")
        name, equals, value = flag[2:].partition("=")
        if name in flags:
            raise ValueError(f"--{name} is given twice; give it once.")
        values = [value] if equals else []
        while not equals and waiting and not waiting[0].startswith("--") and name not in _THAT_EXIT:
            values.append(waiting.pop(0))
        if not values:
            # A misspelt option without a value is misspelt first of all.
            _check_known(options, [name])
        flags[name] = "" if name in _THAT_EXIT else _as_value(name, values, _type_of(options, name))
    return flags


def _written(flags: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" if value else f"--{name}" for name, value in flags.items()]


def _as_value(name: str, values: list[str], kind: Any) -> str:
    if not values:
        if kind is bool:
            return "true"
        raise ValueError(f"--{name} has no value; give it as --{name} VALUE.")
    if _is_list(kind) and not values[0].startswith("["):
        return "[" + ", ".join(_quoted(value, kind) for value in values) + "]"
    if len(values) > 1:
        raise ValueError(
            f"--{name} takes one value, but {len(values)} are given ({' '.join(values)}); quote it if it has spaces."
        )
    return values[0]


def _quoted(value: str, kind: Any) -> str:
    """An element of a YAML list; strings are quoted, so that none is read as a number."""
    return "'" + value.replace("'", "''") + "'" if str in typing.get_args(_list_of(kind)) else value


def _list_of(kind: Any) -> Any:
    return next((part for part in (kind, *typing.get_args(kind)) if typing.get_origin(part) in (list, tuple)), None)


def _is_list(kind: Any) -> bool:
    return _list_of(kind) is not None


def _type_of(options: type, name: str) -> Any:
    """Type of an option by its dotted name; None if the option is unknown or a key of a dictionary."""
    kind: Any = options
    for part in name.split("."):
        kind = _dataclass_in(kind)
        if kind is None:
            return None
        kind = typing.get_type_hints(kind).get(part)
    return kind


def _dataclass_in(kind: Any) -> Any:
    """The dataclass that a type is or that a union contains; None if there is none."""
    return next((one for one in (kind, *typing.get_args(kind)) if is_dataclass(one)), None)


def _check_known(options: type, names: Iterable[str]) -> None:
    """Reject unknown options before jsonargparse does, naming the nearest known one."""
    for name in names:
        kind: Any = options
        above = ""
        for part in name.split("."):
            dataclass = _dataclass_in(kind)
            if dataclass is None:
                break
            known = [field.name for field in fields(dataclass)] + ([*_NO_OPTIONS] if not above else [])
            check_keys([part], known, f"--{above}" if above else "The command line")
            kind = typing.get_type_hints(dataclass).get(part)
            above = f"{above}.{part}" if above else part


def _check_file(options: type, path: Path) -> None:
    """Reject a file that cannot be read or has unknown keys."""
    if not path.is_file():
        raise ValueError(f"File not found: {str(path)!r}; pass a YAML file as --config.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(path)!r} is not valid YAML: {first_line(error)}.") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{str(path)!r} contains a {type(content).__name__}; expected options as KEY: VALUE, see --help."
        )
    _check_keys_of(options, content, repr(str(path)))


def _check_keys_of(options: type, content: Mapping[str, Any], owner: str) -> None:
    types = typing.get_type_hints(options)
    check_keys(content, [field.name for field in fields(options)], owner)
    for name, value in content.items():
        inner = _dataclass_in(types[name])
        if inner is not None and isinstance(value, Mapping):
            _check_keys_of(inner, value, f"{owner}, {name}")


def _sentence(message: str) -> str:
    """Shorten a message of jsonargparse to one sentence."""
    found = re.search(r'Parser key "([^"]+)":\s*(.*)', message, re.DOTALL)
    if found is None:
        return " ".join(message.split())
    name, reason = found.groups()
    unread = re.search(r"Unable to load config ['\"](.*?)['\"]", reason)
    if unread is not None:
        return f"{name} is {unread[1]!r}; expected its settings one by one, as --{name}.KEY VALUE."
    # Of an option that may be None, and of others that take several kinds, all are listed.
    kinds = re.findall(r"Expected a (?:typing\.Literal\[([^\]]*)\]|<class '(\w+)'>)", reason)
    given = re.search(r"(?:Got|Given) value: (.*)", reason)
    expected = [
        literal.replace(", ", " or ") or f"a value of type {kind}" for literal, kind in kinds if kind != "NoneType"
    ]
    if given is not None and expected:
        return f"{name} is {given[1].strip()!r}; expected {' or '.join(expected)}."
    return f"{name}: {' '.join(reason.split())}"


class _Loader(yaml.SafeLoader):
    """A safe loader that reads 1e-3 as a number; YAML 1.1 reads it as a string."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _parsed(text: str) -> Any:
    try:
        # A subclass of the safe loader: plain values only, no objects.
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        return text
