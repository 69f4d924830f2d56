"""Run a recipe: from raw dumps to token shards, on any Beam runner.

    python beam_runner.py --runner=DirectRunner

runs the demo recipe on the bundled samples; ``--help`` lists the options. Options that are not
listed there go to Beam.
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
import time
import traceback
from pathlib import Path

# Beam warns at its import of clouds that are not used. What stops a run is told by main().
logging.basicConfig(level=logging.ERROR)

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from pipeline import storage
from pipeline.checked import RecipeError
from pipeline.plan import estimate, make_plan
from pipeline.recipe import Recipe
from pipeline.recipe_file import load_recipe
from pipeline.report import print_estimates, print_summary
from pipeline.run import ERROR_NAME, Execution, RunError, available_memory, check_shuffle, run

ROOT = Path(__file__).resolve().parent
DIRECT_RUNNERS = ("DirectRunner", "FnApiRunner", "BundleBasedDirectRunner")


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line into this command's options and Beam's."""
    parser = argparse.ArgumentParser(
        prog="beam_runner.py",
        description="Run a recipe: from raw dumps to token shards. Other options go to Beam.",
        allow_abbrev=False,
    )
    parser.add_argument("--recipe", default=str(ROOT / "recipes" / "demo.yaml"), metavar="FILE",
                        help="the recipe to run (default: the demo)")  # fmt: skip
    parser.add_argument("--output", default="out/demo", metavar="DIR",
                        help="folder of what is written (default: out/demo)")  # fmt: skip
    parser.add_argument("--sources", metavar="A,B", help="only these of the recipe's sources")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
                        help="fill a variable of the recipe, or override a value by its dotted "
                        "name; may be given several times")  # fmt: skip
    parser.add_argument("--dry_run", action="store_true",
                        help="list what would be done, and start nothing")  # fmt: skip
    parser.add_argument("--start_over", action="store_true",
                        help="remove what an earlier run left in the output folder")  # fmt: skip
    parser.add_argument("--workers", type=int, metavar="N",
                        help="processes on the DirectRunner (default: one a core)")  # fmt: skip
    parser.add_argument("--memory_bytes", type=float, metavar="N",
                        help="memory that the DirectRunner may fill with the shuffle "
                        "(default: what is free now)")  # fmt: skip
    parser.add_argument("--runner", default="DirectRunner",
                        help="Beam runner: DirectRunner (default), SparkRunner, ...")  # fmt: skip
    return parser.parse_known_args(arguments)


def execution(options: argparse.Namespace, beam_arguments: list[str]) -> Execution:
    """Say how pipelines run.

    Beam's DirectRunner would try other runners first; the one meant is named here.
    """
    memory = int(options.memory_bytes or available_memory())
    if options.runner not in DIRECT_RUNNERS:
        beam_options = [f"--runner={options.runner}", *beam_arguments]
        return Execution(
            lambda: beam.Pipeline(options=PipelineOptions(beam_options)), False, memory
        )
    workers = options.workers or os.cpu_count() or 1
    beam_options = [f"--direct_num_workers={workers}", *beam_arguments]
    return Execution(
        lambda: beam.Pipeline(
            FnApiRunner() if workers == 1 else worker_processes(options.output),
            PipelineOptions(beam_options),
        ),
        True,
        memory,
    )


def worker_processes(output: str) -> FnApiRunner:
    """Make a DirectRunner of worker processes that write what they have to say to a file.

    It is Beam's ``--direct_running_mode=multi_processing``, but for the file: that mode lets the
    workers print their coming and going, and warnings of clouds that are not used.
    """
    # What stops a worker is told by main() in a line, and whole in a file.
    logging.getLogger(local_job_service.__name__).setLevel(logging.CRITICAL)
    log = "/dev/null"
    if not storage.is_remote(output):
        log = str(Path(output, "work", "workers.log"))
        Path(log).parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "apache_beam.runners.worker.sdk_worker_main"]
    provision = beam_provision_api_pb2.ProvisionInfo()
    provision.pipeline_options.update({"default_sdk_harness_log_level": "ERROR"})
    return FnApiRunner(
        SubprocessSDKEnvironment.from_command_string(
            f"{shlex.join(command)} 2>> {shlex.quote(log)}"
        ),
        provision_info=ExtendedProvisionInfo(provision),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options, beam_arguments = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        sources = options.sources.split(",") if options.sources else None
        recipe = load_recipe(options.recipe, options.settings, sources)
        if options.workers is not None and options.workers < 1:
            raise RunError(f"--workers: expected a number above 0, found {options.workers}")
        how = execution(options, beam_arguments)
        if options.dry_run:
            return dry_run(recipe, how)
        started = time.monotonic()
        manifest = run(recipe, options.output, how, start_over=options.start_over)
        print_summary(manifest, options.output, time.monotonic() - started)
    except (RecipeError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # whatever it is, the run can go on from where it is
        storage.write_bytes(options.output, ERROR_NAME, traceback.format_exc().encode())
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
        print(
            f"error: the run stopped: {reason} ({options.output}/{ERROR_NAME} has more). "
            "Once that is mended, the same command goes on from here",
            file=sys.stderr,
        )
        return 1
    return 0


def dry_run(recipe: Recipe, how: Execution) -> int:
    """Print what a run would do; returns 1 where it would be refused."""
    plan = make_plan(recipe)
    print_estimates([estimate(source, plan) for source in recipe.sources])
    try:
        check_shuffle(recipe, plan, how)
    except RunError as error:
        print(f"would be refused: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
