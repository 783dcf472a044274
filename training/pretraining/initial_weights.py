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
"""Initial weights of the RS tower and the SV tower, taken from pretrained models."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig

from modeling_gair import GairModel, GairRSConfig, GairRSModel
from modeling_gair.convert_gair_checkpoint import optical_blocks_layout, read_pickle
from training.pretraining.settings import InitialWeights, PretrainSettings

# Dictionaries in CROMA's published files; only the optical encoder is used.
_OPTICAL = "s2_encoder"
_OTHER_PARTS = {"s1_encoder", "s1_GAP_FFN", "s2_GAP_FFN", "joint_encoder"}
# Weights of its optical encoder besides the blocks: the patch projection of 12 bands, and a final norm that GAIR's tower does
# not have.
_PATCHES = "linear_input.weight"
_UNUSED = {_PATCHES, "linear_input.bias", "transformer.norm_out.weight", "transformer.norm_out.bias"}
_CROMA_BANDS = 12
_CROMA_FIXED = {"num_attention_heads": 16, "hidden_act": "gelu", "layer_norm_eps": 1e-5}
# Config fields that change the computation of a tower, but not the shapes of its weights.
_WITHOUT_SHAPE = {"num_attention_heads", "hidden_act", "layer_norm_eps", "architecture"}
# Config fields that do not affect the weights.
_FREE = re.compile(r".*dropout.*|.*drop_path.*|initializer_range|encoder_stride|do_pooling")


def random_model(settings: PretrainSettings) -> GairModel:
    """A model with random weights that depend only on the seed, and so are equal on all processes."""
    set_seed(settings.seed)
    return GairModel(settings.gair_config())


def untrained_model(settings: PretrainSettings) -> GairModel:
    """
    The model as it was before training. If the initial weights can no longer be loaded, prints the reason and uses random
    weights.
    """
    model = random_model(settings)
    try:
        load_initial_weights(model, settings.initial_weights)
    except ValueError as error:
        print(f"The trained model is compared with random weights: {error}")
        return random_model(settings)
    return model


def load_initial_weights(model: GairModel, weights: InitialWeights) -> list[str]:
    """
    Loads initial weights of the towers into `model`; weights that they lack keep their random values.

    Args:
        model ([`GairModel`]): a newly created model.
        weights (`InitialWeights`): sources of the weights.

    Returns:
        `list[str]`: for each loaded tower, a sentence on which weights were loaded and which were not.

    Raises:
        ValueError: weights cannot be read, or do not fit the model's config; the model may then be partly loaded.
    """
    sentences = []
    if weights.rs is not None:
        # The name of a missing file is not looked up on the Hub.
        is_file = Path(weights.rs).is_file() or Path(weights.rs).suffix in (".pt", ".pth")
        sentences.append((_load_croma if is_file else _load_rs_tower)(model, weights.rs))
    if weights.sv is not None:
        sentences.append(_load_sv_tower(model, weights.sv))
    return sentences


def _load_croma(model: GairModel, path: str) -> str:
    config = model.config.rs_config
    if config.model_type != GairRSConfig.model_type:
        raise ValueError(
            f"initial_weights.rs {path!r} is a CROMA file, but model.rs_config is of type {config.model_type!r}; remove "
            f"model.rs_config to use GAIR's own tower."
        )
    converted = convert_croma(read_pickle(path), config, f"initial_weights.rs {path!r}")
    model.rs_model.load_state_dict(converted, strict=False)
    return (
        f"RS tower: {len(converted)} tensors of CROMA's optical encoder from {path!r}; the patch projection keeps its "
        f"random weights, because CROMA's has {_CROMA_BANDS} bands."
    )


def convert_croma(content: Any, config: GairRSConfig, owner: str) -> dict[str, torch.Tensor]:
    """
    Renames the blocks of CROMA's optical encoder to [`GairRSModel`]'s names.

    Args:
        content: the content of a published CROMA file: dictionaries of tensors, by part.
        config (`GairRSConfig`): the sizes that the tensors must have.
        owner (`str`): name of the file in errors.

    Returns:
        `dict[str, torch.Tensor]`: all weights of the tower except the patch projection.

    Raises:
        ValueError: the file is not from CROMA, its sizes differ from the config, or a tensor is missing, unknown or has the
            wrong shape.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get(_OPTICAL), Mapping):
        raise ValueError(f"{owner} has no dictionary {_OPTICAL!r}; expected CROMA_base.pt as published.")
    tensors = dict(content[_OPTICAL])
    _check_croma_sizes(tensors, config, owner)
    converted, problems = {}, [f"{part} is unknown" for part in content.keys() - _OTHER_PARTS - {_OPTICAL}]
    for published, saved, shape in optical_blocks_layout(config):
        tensor = tensors.pop(published, None)
        if tensor is None:
            problems.append(f"{_OPTICAL}.{published} is missing")
        elif tuple(tensor.shape) != shape:
            problems.append(f"{_OPTICAL}.{published} has the shape {tuple(tensor.shape)}, expected {shape}")
        else:
            converted[saved] = tensor
    problems += [f"{_OPTICAL}.{name} is unknown" for name in tensors if name not in _UNUSED]
    if problems:
        raise ValueError(f"{owner} does not match the published CROMA: {'; '.join(problems)}.")
    return converted


def _check_croma_sizes(tensors: Mapping[str, torch.Tensor], config: GairRSConfig, owner: str) -> None:
    """Compares the sizes in the config with those of the file, to report a mismatch once and not for each tensor."""
    try:
        width, patch_values = tensors[_PATCHES].shape
        intermediate_size = tensors["transformer.layers.0.1.net.0.weight"].shape[0]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{owner} lacks the weights of {_OPTICAL}; expected CROMA_base.pt as published.") from error
    blocks = {name.split(".")[2] for name in tensors if name.startswith("transformer.layers.")}
    theirs = {
        "hidden_size": width,
        "num_hidden_layers": len(blocks),
        "intermediate_size": intermediate_size,
        # Not stored in the file, but equal in both published sizes.
        **_CROMA_FIXED,
        "patch_size": round((patch_values / _CROMA_BANDS) ** 0.5),
    }
    wrong = {name: value for name, value in theirs.items() if getattr(config, name) != value}
    if wrong:
        here = ", ".join(f"{name} {getattr(config, name)}" for name in wrong)
        raise ValueError(f"{owner} does not fit model.rs_config, which has {here}; {_to_set('rs', wrong)}.")


def _load_rs_tower(model: GairModel, name: str) -> str:
    loaded, found = _pretrained("rs", AutoModel, name, dtype=torch.float32, output_loading_info=True)
    if isinstance(loaded, GairModel):
        tower, config, prefix = loaded.rs_model, loaded.config.rs_config, "rs_model."
    elif isinstance(loaded, GairRSModel):
        tower, config, prefix = loaded, loaded.config, ""
    else:
        raise ValueError(
            f"initial_weights.rs {name!r} is a {type(loaded).__name__}; expected a GairModel, a GairRSModel or CROMA_base.pt."
        )
    absent = {key.removeprefix(prefix) for key in found["missing_keys"] if key.startswith(prefix)}
    _check_fit("rs", name, (model.rs_model, model.config.rs_config), (tower, config))
    _check_complete("rs", name, absent)
    model.rs_model.load_state_dict(tower.state_dict())
    return f"RS tower: all weights from {name!r}."


def _load_sv_tower(model: GairModel, name: str) -> str:
    ours: Any = model.sv_model
    config = _pretrained("sv", AutoConfig, name)
    # Models of images and text nest the config of their vision tower.
    config = getattr(config, "vision_config", config)
    if config.model_type != ours.config.model_type:
        raise ValueError(
            f"initial_weights.sv {name!r} is of type {config.model_type!r}, but model.sv_config is of type "
            f"{ours.config.model_type!r}; set model.sv_config.model_type to {config.model_type!r}, with its sizes."
        )
    theirs, found = _pretrained("sv", type(ours), name, config=config, dtype=torch.float32, output_loading_info=True)
    _check_fit("sv", name, (ours, ours.config), (theirs, config))
    poolers = {key for key in found["missing_keys"] if key.startswith("pooler.")}
    _check_complete("sv", name, set(found["missing_keys"]) - poolers)
    given = {key: tensor for key, tensor in theirs.state_dict().items() if key not in poolers}
    ours.load_state_dict(given, strict=False)
    return f"SV tower: weights from {name!r}" + (
        "; they have no pooler, so the pooler keeps its random weights." if poolers else "."
    )


_Tower = tuple[nn.Module, PreTrainedConfig]


def _check_fit(key: str, name: str, ours: _Tower, theirs: _Tower) -> None:
    """Refuses weights that differ in name or shape, or that were trained for a different computation."""
    shapes, their_shapes = (
        {name: tuple(t.shape) for name, t in tower.state_dict().items()} for tower, _ in (ours, theirs)
    )
    misfits = [weight for weight in shapes | their_shapes if shapes.get(weight) != their_shapes.get(weight)]
    differing = _differing_fields(ours[1], theirs[1])
    if misfits:
        first = misfits[0]
        there, here = (each.get(first, "missing") for each in (their_shapes, shapes))
        raise ValueError(
            f"initial_weights.{key} {name!r} does not fit: its {first} is {there}, but the model's is {here}; "
            f"{_to_set(key, differing) if differing else 'use weights of the same architecture'}."
        )
    changing = {field: value for field, value in differing.items() if field in _WITHOUT_SHAPE}
    if changing:
        raise ValueError(
            f"initial_weights.{key} {name!r} was trained with a different {' and '.join(changing)} than "
            f"model.{key}_config has; {_to_set(key, changing)}."
        )


def _differing_fields(ours: PreTrainedConfig, theirs: PreTrainedConfig) -> dict[str, Any]:
    """Fields that differ between the configs of two towers, with their values in `theirs`."""
    own = [field for field in type(theirs).__annotations__ if not _FREE.fullmatch(field)]
    values = {field: getattr(theirs, field) for field in own}
    return {field: value for field, value in values.items() if value != getattr(ours, field, None)}


def _to_set(key: str, fields: Mapping[str, Any]) -> str:
    """The last clause of an error: the config fields to set."""
    return f"set in model.{key}_config " + ", ".join(f"{field}: {value!r}" for field, value in fields.items())


def _check_complete(key: str, name: str, missing: Iterable[str]) -> None:
    if missing:
        raise ValueError(
            f"initial_weights.{key} {name!r} lacks weights of the tower, e.g. {min(missing)}; use a complete checkpoint."
        )


def _pretrained(key: str, kind: Any, name: str, **more: Any) -> Any:
    try:
        return kind.from_pretrained(name, **more)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        # Only the first sentence of the library's error.
        reason = str(error).strip().split("\n")[0].split(". ")[0].rstrip(".")
        raise ValueError(
            f"initial_weights.{key} {name!r} cannot be loaded ({reason}); expected a directory with a saved model, or a "
            "model id on the Hub."
        ) from error
