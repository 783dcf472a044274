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
import json

import pytest
from transformers import AutoConfig

from modeling_gair import GairConfig, GairLocationConfig, GairRSConfig


def test_defaults_are_the_published_sizes():
    config = GairConfig()
    rs, sv, location = config.rs_config, config.sv_config, config.location_config
    assert (rs.hidden_size, rs.num_hidden_layers, rs.num_attention_heads, rs.intermediate_size) == (768, 12, 16, 3072)
    assert (rs.num_channels, rs.image_size, rs.patch_size) == (10, 96, 8)
    assert (sv.model_type, sv.hidden_size, sv.image_size, sv.patch_size, sv.layer_norm_eps) == (
        "vit",
        768,
        224,
        16,
        1e-12,
    )
    assert (list(location.scales), location.num_frequencies, location.hidden_size) == ([1, 16, 256], 256, 1024)
    assert (location.encoder, location.degree) == ("equal_earth_rff", 10)
    assert config.temperature == 0.07


def test_a_config_survives_saving(tmp_path):
    config = GairConfig.tiny(temperature=0.1, location_config={"scales": [1, 2.5]})
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(loaded, GairConfig) and isinstance(loaded.rs_config, GairRSConfig)
    assert {**loaded.to_dict(), "_name_or_path": ""} == config.to_dict()
    assert isinstance(GairLocationConfig.from_pretrained(tmp_path), GairLocationConfig)
    assert list(GairLocationConfig.from_pretrained(tmp_path).scales) == [1, 2.5]


def test_location_encoders_survive_saving_and_old_configs_select_the_published_one(tmp_path):
    fields = {"encoder": "spherical_harmonics", "degree": 7}
    GairConfig.tiny(location_config=fields).save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path).location_config
    assert (loaded.encoder, loaded.degree) == ("spherical_harmonics", 7)
    saved = json.loads((tmp_path / "config.json").read_text())
    del saved["location_config"]["encoder"], saved["location_config"]["degree"]
    (tmp_path / "config.json").write_text(json.dumps(saved))
    assert AutoConfig.from_pretrained(tmp_path).location_config.encoder == "equal_earth_rff"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"nili_init": "zeros"}, "expected one of 'center_token', 'normal'"),
        ({"temperature": 0}, "must be greater than 0"),
        ({"incl_min_distance_m": -1}, "expected 0 metres or more"),
        ({"rs_config": {"hidden_size": 100}}, "not divisible by 16 attention heads"),
        ({"rs_config": {"image_size": 100}}, "not a multiple of patch_size 8"),
        ({"rs_config": {"attention_dropout": 1.0}}, "expected a probability, 0 <= p < 1"),
        ({"rs_config": {"hidden_size": "wide"}}, "expected int"),
        ({"rs_config": {"model_type": "vit"}}, "expected 'gair_rs' or 'timm_wrapper'"),
        ({"sv_config": {"model_type": "no_such_model"}}, "not a model type of the installed transformers"),
        ({"location_config": {"encoder": "rff"}}, "expected 'equal_earth_rff' or 'spherical_harmonics'"),
        ({"location_config": {"degree": 0}}, "degree is 0; it must be greater than 0"),
        ({"location_config": {"scales": []}}, "at least one scale"),
        ({"location_config": {"scales": [1, -1]}}, "greater than 0"),
        ({"location_config": {"model_type": "vit"}}, "expected 'gair_location'"),
    ],
)
def test_an_invalid_setting_is_named(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        GairConfig(**fields)


def test_similarity_ranges_survive_saving(tmp_path):
    ranges = {"percentiles": [1, 50, 99], "pairs": {"sv_location": {"matched": [0.1, 0.2, 0.3], "others": [0, 0, 0]}}}
    GairConfig.tiny(similarity_ranges=ranges).save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).similarity_ranges == ranges
    assert GairConfig.tiny().similarity_ranges is None
