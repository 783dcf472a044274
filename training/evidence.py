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
Does the method hold? Trains arms that differ in one thing each, over several seeds, and compares them:

    python -m training.evidence                          # everything, about 90 minutes on two idle cores
    python -m training.evidence --compare query_modes    # one question

Arms are the files of training/configs/evidence/, each a run of training/pretrain.py. What is done is not done again: the same
command goes on after any end. Ends with tables, plots and every single run in --output_dir.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tqdm.auto import tqdm

from training.benchmarks.encoders import GairEncoder, open_gair
from training.costs import flops_per_pair
from training.evidence_measures import (
    PlaceTarget,
    embed_for_probes,
    embed_held_out,
    field_targets,
    open_world,
    pair_measures,
    place_baselines,
    place_measures,
    probe_measures,
    robustness_measures,
    table_targets,
)
from training.evidence_report import Run, write_report
from training.pretrain import random_model
from training.sample_dataset import WorldSettings
from training.settings import PretrainSettings, load_settings

ROOT = Path(__file__).parents[1]
CONFIGS = Path(__file__).parent / "configs" / "evidence"
# Real values at places, in the folder of --tables.
TABLES = {"air_temp.csv": ("meanT", "meanP")}
# The arm whose trained model is the RS teacher of this one.
TEACHERS = {"distillation": "mae"}
# Arms of which the initial weights are measured as well.
UNTRAINED = ("nili", "spherical_harmonics", "published_scales")
_MEASURES, _OF_RUN = "evidence.json", "metrics.json"


@dataclass(frozen=True)
class Comparison:
    """
    A question, and the arms that answer it.

    Attributes:
        question (`str`): in words.
        arms (`tuple[str, ...]`): names of files in training/configs/evidence/.
        robust (`bool`): whether retrieval is also measured with offsets, noise and smaller tiles.
        places (`bool`): whether location encoders are probed.
    """

    question: str
    arms: tuple[str, ...]
    robust: bool = False
    places: bool = False


COMPARISONS = {
    "query_modes": Comparison(
        "Does reading the tile at the photo's place help, and NILI over plain interpolation?",
        ("nili", "bilinear", "bicubic", "mean", "mean_across"),
    ),
    "nili_rate": Comparison(
        "Is NILI behind because of what it computes, or of how far AdamW moves it?", ("nili", "nili_ninth", "bilinear")
    ),
    "objectives": Comparison(
        "GAIR against objectives that align nothing, and with distillation", ("nili", "distillation", "mae", "moco_v3")
    ),
    "location": Comparison("With places, and without", ("nili", "no_location")),
    "location_encoders": Comparison(
        "The location encoders", ("nili", "spherical_harmonics", "published_scales"), places=True
    ),
    "control": Comparison(
        "Where photos show their tile's mean, does localization help all the same?",
        ("control_nili", "control_mean_across"),
    ),
    "robustness": Comparison(
        "A point beside the photo, noisy coordinates, smaller tiles", ("nili", "bilinear", "mean_across"), robust=True
    ),
}


def main(arguments: list[str]) -> None:
    """Trains, measures and reports what the command line names."""
    options = parse(arguments)
    compared = {name: COMPARISONS[name] for name in options.compare}
    runs = [(arm, seed) for seed in options.seeds for arm in in_order(compared)]
    for arm in dict.fromkeys(arm for arm, _ in runs):
        # Made once, before several runs ask for it at the same time.
        world = settings_of(arm, 0, options).world()
        open_world(world)
        open_world(second_world(world))
    with ThreadPoolExecutor(options.jobs) as pool, tqdm(total=len(runs), unit="run", desc="train and measure") as bar:
        waiting: dict[tuple[str, int], Future] = {}
        for arm, seed in runs:
            teacher = waiting.get((TEACHERS.get(arm, ""), seed))
            waiting[arm, seed] = pool.submit(complete, arm, seed, options, teacher)
            waiting[arm, seed].add_done_callback(lambda _: bar.update())
        failures = [str(job.exception()) for job in waiting.values() if job.exception() is not None]
    if failures:
        raise ValueError(failures[0])
    found = [Run(arm, seed, json.loads((folder_of(arm, seed, options) / _MEASURES).read_text())) for arm, seed in runs]
    if any(comparison.places for comparison in compared.values()):
        targets = place_targets(settings_of("nili", 0, options).world(), options.tables)
        found += [
            Run(name, seed, {"": figures})
            for seed in options.seeds
            for name, figures in place_baselines(targets, seed).items()
        ]
    write_report(options.output_dir, {name: (one.question, one.arms) for name, one in compared.items()}, found)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evidence", description="Compares arms of training.")
    parser.add_argument("--compare", nargs="+", choices=COMPARISONS, default=list(COMPARISONS), help="which questions")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time, on one core each")
    parser.add_argument(
        "--tables", type=Path, help="folder with air_temp.csv, to probe location encoders on real values"
    )
    parser.add_argument("--output_dir", type=Path, default=Path("outputs/evidence"))
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of all runs, for a short trial"
    )
    parser.add_argument("--measure", nargs=2, metavar=("ARM", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        raise ValueError(f"--jobs is {options.jobs}; expected at least 1.")
    return options


def in_order(compared: dict[str, Comparison]) -> list[str]:
    """All arms that are needed, teachers before those that they teach."""
    arms = dict.fromkeys(arm for comparison in compared.values() for arm in comparison.arms)
    teachers = [TEACHERS[arm] for arm in arms if arm in TEACHERS]
    return list(dict.fromkeys([*teachers, *arms]))


def folder_of(arm: str, seed: int, options: argparse.Namespace) -> Path:
    """Where a run is kept."""
    return options.output_dir / arm / f"seed{seed}"


def command_of(arm: str, seed: int, options: argparse.Namespace) -> list[str]:
    """The flags of training/pretrain.py for one run."""
    flags = ["--config", str(CONFIGS / f"{arm}.yaml"), "--output_dir", str(folder_of(arm, seed, options).resolve())]
    flags += ["--seed", str(seed)]
    if arm in TEACHERS:
        flags += ["--objective.rs_teacher", str(folder_of(TEACHERS[arm], seed, options).resolve())]
    return flags + [part for setting in options.set for part in ("--" + setting).split("=", 1)]


def settings_of(arm: str, seed: int, options: argparse.Namespace) -> PretrainSettings:
    """The settings of one run."""
    return load_settings(command_of(arm, seed, options))


def complete(arm: str, seed: int, options: argparse.Namespace, teacher: Future | None) -> None:
    """
    Trains and measures one run, each in a process of its own, as far as it is not done.

    Raises:
        ValueError: one of them failed; its output lies in the run's folder.
    """
    if teacher is not None:
        teacher.result()
    folder = folder_of(arm, seed, options)
    if not (folder / _OF_RUN).is_file():
        execute([str(ROOT / "training" / "pretrain.py"), *command_of(arm, seed, options)], folder.with_suffix(".log"))
    if not (folder / _MEASURES).is_file():
        same = ["--output_dir", str(options.output_dir), *(["--tables", str(options.tables)] if options.tables else [])]
        same += ["--set", *options.set] if options.set else []
        execute(["-m", "training.evidence", *same, "--measure", arm, str(seed)], folder.with_suffix(".log"))


def execute(command: Sequence[str], log: Path) -> None:
    """Runs Python on one core; what it prints is added to a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("a", encoding="utf-8") as output:
        done = subprocess.run([sys.executable, *command], stdout=output, stderr=subprocess.STDOUT, env=environment)
    if done.returncode:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1]
        raise ValueError(f"A run failed: {last} (more in {str(log)!r}); mend it and give the same command again.")


def measure(arm: str, seed: int, options: argparse.Namespace) -> None:
    """Measures a trained run, and writes it down in one go."""
    folder = folder_of(arm, seed, options)
    settings = settings_of(arm, seed, options)
    encoder = open_gair(str(folder), torch.device("cpu"))
    figures = {"trained": measured(arm, seed, encoder, settings, options)}
    if arm in UNTRAINED:
        drawn = GairEncoder(random_model(settings).eval(), encoder.processor, "initial weights")
        figures["untrained"] = measured(arm, seed, drawn, settings, options, robust=False)
    unfinished = folder / f"{_MEASURES}.tmp"
    unfinished.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    unfinished.replace(folder / _MEASURES)


def measured(
    arm: str,
    seed: int,
    encoder: GairEncoder,
    settings: PretrainSettings,
    options: argparse.Namespace,
    robust: bool = True,
) -> dict[str, float]:
    """All figures that the arm's comparisons ask for; of random weights there is nothing to disturb."""
    model, processor = encoder.model, encoder.processor
    own, tiles = open_world(settings.world()), settings.world().held_out_tiles
    asking = [comparison for comparison in COMPARISONS.values() if arm in comparison.arms]
    cost = flops_per_pair(model.config, processor, settings.photos_per_tile, settings.objective_settings())
    found = {"MFLOP a pair": cost / 1e6}
    disturbed_by = seed if robust and any(comparison.robust for comparison in asking) else None
    held_out = embed_held_out(model, processor, own, tiles, disturbed_by)
    second = embed_held_out(model, processor, open_world(second_world(settings.world())), tiles)
    for world, embedded in (("own", held_out), ("second", second)):
        found |= {f"{world} world/{name}": value for name, value in pair_measures(embedded).items()}
    found |= probe_measures(embed_for_probes(model, processor, own), held_out)
    if disturbed_by is not None:
        found |= robustness_measures(held_out)
    if any(comparison.places for comparison in asking):
        found |= place_measures(encoder, place_targets(settings.world(), options.tables), seed)
    return found


def second_world(world: WorldSettings) -> WorldSettings:
    """A world that no arm is trained on; of few tiles to train on, as none is."""
    return replace(world, seed=world.seed + 1, tiles=min(world.tiles, 64), control=False)


def place_targets(world: WorldSettings, tables: Path | None) -> list[PlaceTarget]:
    """Fields of the sample world, and real values where the tables are at hand."""
    targets = field_targets(open_world(world))
    if tables is not None:
        targets += [target for name, columns in TABLES.items() for target in table_targets(tables / name, columns)]
    return targets


if __name__ == "__main__":
    try:
        given = parse(sys.argv[1:])
        if given.measure:
            measure(given.measure[0], int(given.measure[1]), given)
        else:
            main(sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted; the same command goes on.")
