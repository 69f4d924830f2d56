"""Lists of the commands in the docs that the test of the pages does not run as they are written.

All other commands are run, in the order of the pages and their lines. They run in a scratch folder
that looks like the project, with the demo's output in ``out/demo``. Commands that cannot run there
are listed here, with the reason, or with the test that runs a similar command. ``FILLED_IN``
replaces placeholders in commands.
"""

from __future__ import annotations

FROM_SCRATCH = "tests/test_from_scratch.py::test_every_model_has_a_card_and_the_run_its_shards"

KILLS = (
    "tests/faults/test_random_kills.py::test_a_run_killed_at_random_comes_out_as_if_it_had_not_been"
)

ONE_OF_TWO_NODES = (
    "tests/scripts/test_train_sbatch.py::test_a_node_is_lost_and_back_and_the_job_ends_and_goes_on"
)

BY_HAND = "it needs what nothing here installs; tried by hand"
GOOGLE = "it needs an account at Google; tests/dataflow runs its jobs without one"
DOWNLOADS = "it downloads for hours or days"
AFTER_DOWNLOADS = "it looks at what comes of terabytes of downloads; README.md has the like, run"

OWN_FILES = "tests/pipeline/starting/test_own_files.py::test_the_recipe_for_json_lines_runs"

COVERED = {
    "corpus init": OWN_FILES,
    "corpus run --recipe corpus.yaml": OWN_FILES,
    "make demo": "tests/test_beam_runner.py::test_the_demo_verifies_and_leaves_no_work_behind",
    "scripts/from_scratch.sh DATA OUT": FROM_SCRATCH,
    "scripts/fetch_samples.sh": "tests/scripts/test_fetch_samples.py::"
    "test_samples_are_fetched_once_and_a_recipe_reads_them",
    "corpus train-lm": FROM_SCRATCH,
    "corpus cited-urls": FROM_SCRATCH,
    "corpus train-classifier": FROM_SCRATCH,
    "corpus train-tokenizer": "tests/pipeline/models/test_train_tokenizer.py::"
    "test_the_card_says_what_the_samples_hold",
    "python beam_runner.py --recipe recipes/fineweb.yaml": "tests/test_web_recipes.py::"
    "test_runs_over_the_warc_samples",
    "python beam_runner.py --recipe recipes/fineweb2.yaml": "tests/test_web_recipes.py::"
    "test_pages_in_several_languages_count_by_their_near_duplicates",
    "python beam_runner.py --recipe recipes/nemotron_cc.yaml": "tests/test_quality_recipes.py::"
    "test_nemotron_cc_takes_the_highest_of_three_bins",
    "corpus cutoffs --recipe recipes/nemotron_cc.yaml": "tests/test_quality_recipes.py::"
    "test_nemotron_cc_takes_the_highest_of_three_bins",
    "corpus diff": "tests/pipeline/inspection/test_diff.py::"
    "test_one_threshold_changed_and_sources_left_out",
    "python benchmarks/peers.py": "tests/benchmarks/test_peers.py::"
    "test_peers_come_to_results_that_compare",
    "python benchmarks/ablation.py": "tests/benchmarks/test_ablation.py::"
    "test_a_recipe_of_the_ablation_runs",
    "python benchmarks/target_weights.py": "tests/pipeline/judging/test_weights.py::"
    "test_a_target_of_books_and_code_is_found",
    "python benchmarks/swarm.py out/demo": "tests/benchmarks/test_swarm.py::"
    "test_a_quick_swarm_trains_models_and_goes_on",
    "corpus judge": "tests/pipeline/commands/test_judge_command.py::"
    "test_what_a_step_dropped_is_judged_beside_what_was_kept",
    "corpus weights": "tests/pipeline/commands/test_weights_command.py::"
    "test_the_recipe_with_weights_is_a_mixture_of_the_run",
    "corpus mix out/demo --recipe exams.yaml": "tests/pipeline/commands/test_weights_command.py::"
    "test_the_recipe_with_weights_is_a_mixture_of_the_run",
    "python -m training.train --data out/demo --model 10M --output out/staged": "tests/training/"
    "stages/test_staged_run.py::test_stopped_and_continued_across_the_border",
    "corpus trace out/demo --run out/staged": "tests/training/stages/test_staged_run.py::"
    "test_the_trace_proves_that_no_token_came_twice",
    "corpus index": "tests/pipeline/passes/test_against_indexes.py::"
    "test_a_merged_index_decides_as_those_it_is_made_of",
    "corpus serve": "tests/pipeline/inspection/test_serve.py::test_filter_page_and_open_documents",
    "python beam_runner.py --output out/other": "tests/pipeline/inspection/test_diff.py::"
    "test_one_threshold_changed_and_sources_left_out",
    "python beam_runner.py --runner=SparkRunner --recipe my.yaml": "tests/test_spark.py::"
    "test_a_local_master_writes_the_bytes_of_the_direct_runner",
    "$SPARK_HOME/bin/spark-class": KILLS,
    "sbatch scripts/spark.sbatch": "tests/scripts/test_slurm.py::"
    "test_a_run_in_an_allocation_has_the_bytes_of_a_local_one_and_leaves_nothing",
    "sbatch scripts/train.sbatch": ONE_OF_TWO_NODES,
    "INTERFACE=ib0 sbatch scripts/train.sbatch": ONE_OF_TWO_NODES,
    "corpus worker-pool": KILLS,
    "python beam_runner.py --runner=SparkRunner --recipe /data/my.yaml": KILLS,
    "python -m pytest tests/faults": KILLS,
    "python -m tests.faults.random_kills": KILLS,
    "python -m pytest tests/hostile": "tests/hostile/test_fuzz.py::"
    "test_mutated_files_break_no_promise",
}
"""Beginnings of commands, with the test that runs a similar command with other arguments."""

CANNOT_RUN = {
    "CUDA_VISIBLE_DEVICES=0": "it needs a GPU",
    "make test": "it is what runs this test",
    "make quick": "it runs tests, as what runs this test does",
    ".venv/bin/pre-commit": BY_HAND,
    "py-spy record": BY_HAND,
    "pyinstrument": BY_HAND,
    "scripts/compare_runs.sh": "the scratch folder is no repository of git; tried by hand",
    "make wheel": "it fetches what builds a wheel; tests/test_wheel.py builds one without",
    "pip install": "it installs from the network; tests/test_wheel.py does the like",
    "make kenlm-tools": "it builds programs for minutes; make test has done so before this test",
    "make spark-job-server": "it builds a jar for minutes; make test has done so before this test",
    "$SPARK_HOME/bin/spark-submit": BY_HAND,
    "python beam_runner.py --runner=SparkRunner --job_endpoint": BY_HAND,
    "python beam_runner.py --runner=FlinkRunner": BY_HAND,
    "python benchmarks/scale.py --sizes": "it takes ten minutes; tests/test_scale.py holds the "
    "page to what it wrote",
    "gcloud ": GOOGLE,
    "docker ": GOOGLE,
    "run ": GOOGLE,
    "python3.11 -m venv": "it makes an environment; make test has made the like",
    ".venv/bin/pip install": "it installs from the network; make test has installed the like",
    ".venv/bin/uv pip install": "it installs from the network; make test has installed the like",
    "aws s3": DOWNLOADS,
    "bq ": DOWNLOADS,
    "curl ": DOWNLOADS,
    "hf download": DOWNLOADS,
    "rsync ": DOWNLOADS,
    "python beam_runner.py --recipe recipes/llama.yaml": "it needs terabytes of downloads; "
    "tests/pipeline/recipe/test_recipe.py loads the recipe, "
    "tests/test_real_samples.py runs its steps",
    "corpus stats OUT/corpus": AFTER_DOWNLOADS,
    "corpus verify OUT/corpus": AFTER_DOWNLOADS,
    "torchrun ": "it needs GPUs",
    ".venv/bin/python -m training.export OUT/run": AFTER_DOWNLOADS,
    'LM_OPTIONS="--pieces 16000': "all real samples; " + FROM_SCRATCH + " runs it over a few",
}
"""Beginnings of commands that are not run, with the reason."""

FILLED_IN = {
    "README.md": {
        "--max_steps 120": "--max_steps 2",
        "explain out/demo ID": "explain out/demo {id}",
    },
    "docs/adding.md": {"python beam_runner.py": "python beam_runner.py --workers 1"},
    "docs/hostile.md": {"--files 100000": "--files 5"},
    "docs/training_data.md": {"--run RUN --step 120": "--run out/run --step 2 --mixture mixture-1"},
}
"""Replacements in a page's commands, so that their inputs exist or they end within seconds."""
