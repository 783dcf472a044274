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
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from training.benchmarks.encoders.encoder import GairEncoder, open_gair
from training.common.files import write_atomically
from training.evidence.children import Children
from training.evidence.measures import (
    PlaceTarget,
    Table,
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
from training.evidence.report import Run, write_report
from training.pretraining.checkpointing import first_difference
from training.pretraining.costs import flops_per_pair
from training.pretraining.initial_weights import random_model
from training.pretraining.settings import PretrainSettings, load_settings
from training.world.settings import WorldSettings

ROOT = Path(__file__).parents[2]
CONFIGS = Path(__file__).parents[1] / "configs" / "evidence"
# Real values at places, in the folder of --tables.
TABLES = {
    "air_temp.csv": Table(("meanT", "meanP")),
    "brazil_municipalities.csv": Table(("state_code",), classify=True),
    "eurosat_locations.parquet": Table(("label",), classify=True, every=5),
}
# The arm whose trained model is the RS teacher of this one.
TEACHERS = {"distillation": "mae"}
# Arms of which the initial weights are measured as well.
UNTRAINED = ("nili", "spherical_harmonics", "published_scales")
_MEASURES, _OF_RUN, _LOCK = "evidence.json", "metrics.json", ".lock"


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
        ("nili", "nili_ninth", "bilinear", "bicubic", "mean", "mean_across"),
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
        ("control_nili", "control_mean", "control_mean_across"),
    ),
    "robustness": Comparison(
        "A point beside the photo, noisy coordinates, smaller tiles", ("nili", "bilinear", "mean_across"), robust=True
    ),
}


def main(arguments: list[str]) -> None:
    """Trains, measures and reports what the command line names."""
    options = parse(arguments)
    if options.measure:
        measure(options.measure[0], int(options.measure[1]), options)
        return
    compared = {name: COMPARISONS[name] for name in options.compare}
    runs = [(arm, seed) for seed in dict.fromkeys(options.seeds) for arm in in_order(compared)]
    options.output_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(options.output_dir / _LOCK, timeout=0):
            for arm, seed in runs:
                check_same(arm, seed, options)
            baselines = prepare(compared, options)
            complete_all(runs, options)
            found = [Run(arm, seed, _read(folder_of(arm, seed, options) / _MEASURES)) for arm, seed in runs]
            told = {name: (one.question, one.arms) for name, one in compared.items()}
            write_report(options.output_dir, told, found + baselines)
    except Timeout as error:
        raise ValueError(
            f"Another comparison writes to {str(options.output_dir)!r}; wait until it ends, or name another --output_dir."
        ) from error


def prepare(compared: dict[str, Comparison], options: argparse.Namespace) -> list[Run]:
    """Makes the worlds before several runs ask for them at the same time, and measures what needs no training."""
    for arm in in_order(compared):
        world = settings_of(arm, 0, options).world()
        open_world(world)
        open_world(second_world(world))
    if not any(comparison.places for comparison in compared.values()):
        return []
    targets = place_targets(settings_of("nili", 0, options).world(), options.tables)
    return [
        Run(name, seed, {"": figures})
        for seed in dict.fromkeys(options.seeds)
        for name, figures in place_baselines(targets, seed).items()
    ]


def complete_all(runs: Sequence[tuple[str, int]], options: argparse.Namespace) -> None:
    """
    Trains and measures runs, some at the same time. The first that fails stops all, as does Ctrl-C; they save where they are.

    Raises:
        ValueError: one of them failed.
    """
    children = Children()
    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            jobs: dict[tuple[str, int], Future] = {}
            for arm, seed in runs:
                teacher = jobs.get((TEACHERS.get(arm, ""), seed))
                jobs[arm, seed] = pool.submit(complete, arm, seed, options, children, teacher)
            for job in tqdm(as_completed(jobs.values()), total=len(jobs), unit="run", desc="train and measure"):
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evidence", description="Compares arms of training.")
    parser.add_argument("--compare", nargs="+", choices=COMPARISONS, default=list(COMPARISONS), help="which questions")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time, on one core each")
    parser.add_argument(
        "--tables", type=Path, help=f"folder with {', '.join(TABLES)}, to probe location encoders on real values"
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


def note_of(arm: str, seed: int, options: argparse.Namespace) -> Path:
    """Where is kept what a run was trained with, and the tables that it was measured on."""
    return folder_of(arm, seed, options).with_suffix(".json")


def trained_with(arm: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """The settings that decide what a run learns, save where its teacher lies."""
    settings = json.loads(json.dumps(settings_of(arm, seed, options).run()))
    if arm in TEACHERS:
        del settings["objective"]["rs_teacher"]
    return settings


def check_same(arm: str, seed: int, options: argparse.Namespace) -> None:
    """
    Refuses to take a run for one of other settings.

    Raises:
        ValueError: it was begun with others.
    """
    before = _read(note_of(arm, seed, options)).get("settings")
    difference = before and first_difference(before, trained_with(arm, seed, options))
    if difference:
        key, then, now = difference
        raise ValueError(
            f"{str(folder_of(arm, seed, options))!r} was trained with {key} {then!r}, and now {now!r} is asked for; give the "
            "same settings, or name another --output_dir."
        )


def complete(arm: str, seed: int, options: argparse.Namespace, children: Children, teacher: Future | None) -> None:
    """
    Trains and measures one run, each in a process of its own, as far as it is not done.

    Raises:
        ValueError: one of them failed, or was stopped; its output lies beside the run's folder.
    """
    if teacher is not None:
        teacher.result()
    folder, note = folder_of(arm, seed, options), note_of(arm, seed, options)
    log, environment = folder.with_suffix(".log"), {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    kept = {"settings": trained_with(arm, seed, options), "tables": _read(note).get("tables", {})}
    if not (folder / _OF_RUN).is_file():
        _write(note, kept)
        training = [str(ROOT / "training" / "pretrain.py"), *command_of(arm, seed, options)]
        children.run(training, log, environment)
        if not (folder / _OF_RUN).is_file():
            raise ValueError(f"{str(folder)!r} was stopped while it trained; the same command goes on.")
    tables = tables_of(arm, options)
    if not (folder / _MEASURES).is_file() or not tables.items() <= kept["tables"].items():
        same = ["--output_dir", str(options.output_dir), *(["--tables", str(options.tables)] if options.tables else [])]
        same += ["--set", *options.set] if options.set else []
        children.run(["-m", "training.evidence", *same, "--measure", arm, str(seed)], log, environment)
        _write(note, kept | {"tables": tables})


def tables_of(arm: str, options: argparse.Namespace) -> dict[str, str]:
    """The tables that an arm is measured on, with what tells their contents apart."""
    if options.tables is None or not any(one.places and arm in one.arms for one in COMPARISONS.values()):
        return {}
    return {name: hashlib.sha256((options.tables / name).read_bytes()).hexdigest() for name in TABLES}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, indent=2).encode())


def measure(arm: str, seed: int, options: argparse.Namespace) -> None:
    """Measures a trained run, and writes it down."""
    folder = folder_of(arm, seed, options)
    settings = settings_of(arm, seed, options)
    encoder = open_gair(str(folder), torch.device("cpu"))
    figures = {"trained": measured(arm, seed, encoder, settings, options)}
    if arm in UNTRAINED:
        drawn = GairEncoder(random_model(settings).eval(), encoder.processor, "initial weights")
        figures["untrained"] = measured(arm, seed, drawn, settings, options, trained=False)
    _write(folder / _MEASURES, figures)


def measured(
    arm: str,
    seed: int,
    encoder: GairEncoder,
    settings: PretrainSettings,
    options: argparse.Namespace,
    trained: bool = True,
) -> dict[str, float]:
    """All figures that the arm's comparisons ask for; of random weights there is nothing to disturb, and they cost nothing."""
    model, processor = encoder.model, encoder.processor
    own, tiles = open_world(settings.world()), settings.world().held_out_tiles
    asking = [comparison for comparison in COMPARISONS.values() if arm in comparison.arms]
    found = {}
    if trained:
        cost = flops_per_pair(model.config, processor, settings.photos_per_tile, settings.objective_settings())
        found["MFLOP a pair"] = cost / 1e6
    disturbed_by = seed if trained and any(comparison.robust for comparison in asking) else None
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
    """A world of the same kind that no arm is trained on; of few tiles to train on, as none is."""
    return replace(world, seed=world.seed + 1, tiles=min(world.tiles, 64))


@cache
def place_targets(world: WorldSettings, tables: Path | None) -> list[PlaceTarget]:
    """Fields of the sample world, and real values where the tables are at hand."""
    targets = field_targets(open_world(world))
    return targets + (table_targets(tables, TABLES) if tables is not None else [])
