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
"""The sections of the suite, in the order in which they run."""

from collections.abc import Callable

from tests.speed.rows import Row, Settings
from tests.speed.sections import (
    embedding,
    exported,
    growth,
    loading_pairs,
    machine,
    precision,
    probes,
    processors,
    published,
    queries,
    search,
    starting,
    towers,
    training,
    world_map,
)

SECTIONS: dict[str, Callable[[Settings], list[Row]]] = {
    module.__name__.rpartition(".")[2]: module.measure
    for module in (
        machine,
        starting,
        towers,
        precision,
        exported,
        queries,
        processors,
        loading_pairs,
        training,
        published,
        probes,
        world_map,
        embedding,
        search,
        growth,
    )
}
