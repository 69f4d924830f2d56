"""The plan of a run in stages: each stage's is made as that of a run with the stage's options."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from training.data.files import corpus_files
from training.data.packing import BEST_FIT
from training.optimiser import RECIPES, default_warmup_steps
from training.options import TrainOptions
from training.parallelize import ACTIVATION_CHECKPOINTING
from training.plan import Plan, make_plan
from training.run_folder import PACKING_NAME
from training.stages.shares import Manifests, shares_of
from training.stages.stage_file import Stage, read_stages
from training.stages.staged_mixture import StagedMixture, StageDraws, check_packing

OF_ONE_STAGE = (
    "sequence_length", "learning_rate", "minimum_learning_rate_fraction", "warmup_steps",
    "decay_steps", "steps",
)  # fmt: skip
"""What an identity has of the whole run where it has no stages."""


def make_staged_plan(
    options: TrainOptions, n_processes: int, device_type: str
) -> tuple[Plan, StagedMixture]:
    """Open the data, and plan all stages of the file that the options name.

    Raises ValueError, in one line, where options, stages and data do not fit together.
    """
    assert options.stages is not None
    stages = read_stages(options.stages)
    batch_tokens = options.batch_tokens or RECIPES[options.model].batch_tokens
    of_runs = [
        _options(options, stage, number, batch_tokens) for number, stage in enumerate(stages)
    ]
    manifests = Manifests(corpus_files(options.data, options.cache), options.data, options.mixture)
    draws = []
    for stage, own in zip(stages, of_runs, strict=True):
        try:
            shares = shares_of(stage, manifests)
        except ValueError as error:
            raise ValueError(f"{_where(options, stage)}: {error}") from None
        assert own.max_steps is not None
        draws.append(StageDraws(stage.name, own.max_steps, stage.sequence_length, *shares))
    packing = None
    if options.packing == BEST_FIT:
        check_packing({stage.sequence_length for stage in stages})
        packing = Path(options.packing_folder or Path(options.output, PACKING_NAME))
    plans = _planned(of_runs, n_processes, device_type)
    mixture = StagedMixture(
        options.data,
        draws,
        batch_tokens=batch_tokens,
        seed=options.seed,
        cache=options.cache,
        packing=packing,
    )
    return _joined(stages, plans, draws, mixture), mixture


def _options(options: TrainOptions, stage: Stage, number: int, batch_tokens: int) -> TrainOptions:
    """Return the options of a run that is one stage. Raises ValueError for steps that do not fit.

    The first stage warms up as a run does; those behind it have no warm-up if none is given.
    """
    n_steps = stage.tokens // batch_tokens
    if n_steps < 1:
        raise ValueError(
            f"{_where(options, stage)}: its {stage.tokens:,} tokens are less than a step of "
            f"{batch_tokens:,}"
        )
    warmup_steps = stage.warmup_steps
    if warmup_steps is None:
        warmup_steps = 0 if number else default_warmup_steps(n_steps)
    if warmup_steps + (stage.decay_steps(n_steps, warmup_steps) or 0) > n_steps:
        raise ValueError(
            f"{_where(options, stage)}: steps of warm-up and decay are more than its {n_steps}"
        )
    return dataclasses.replace(
        options,
        stages=None,
        max_steps=n_steps,
        batch_tokens=batch_tokens,
        sequence_length=stage.sequence_length,
        learning_rate=stage.learning_rate,
        minimum_learning_rate_fraction=stage.minimum_fraction,
        warmup_steps=warmup_steps,
    )


def _where(options: TrainOptions, stage: Stage) -> str:
    return f"--stages {options.stages}: stage {stage.name}"


def _planned(of_runs: list[TrainOptions], n_processes: int, device_type: str) -> list[Plan]:
    """Plan runs that share a model: what one of them must compute again, all do."""
    plans = [make_plan(own, n_processes, device_type)[0] for own in of_runs]
    modes = {plan.activation_checkpointing for plan in plans}
    if len(modes) > 1:
        most = max(modes, key=ACTIVATION_CHECKPOINTING.index)
        plans = [
            make_plan(
                dataclasses.replace(own, activation_checkpointing=most), n_processes, device_type
            )[0]
            for own in of_runs
        ]
    return plans


def _joined(
    stages: list[Stage], plans: list[Plan], draws: list[StageDraws], mixture: StagedMixture
) -> Plan:
    """Return the plan of the whole run, whose own numbers are those of the longest samples."""
    of_stages, described = [], []
    for stage, plan, draw, samples in zip(stages, plans, draws, mixture.stages, strict=True):
        decay_steps = stage.decay_steps(plan.n_steps, plan.warmup_steps)
        of_stages.append(
            plan._replace(decay_steps=decay_steps, name=stage.name, first_step=samples.first_step)
        )
        described.append(
            draw.described()
            | {
                "schedule": stage.schedule,
                "learning_rate": stage.learning_rate,
                "end_learning_rate": stage.end_learning_rate,
                "warmup_steps": plan.warmup_steps,
                "decay_steps": decay_steps,
            }
        )
    longest = max(of_stages, key=lambda plan: plan.sequence_length)
    identity: dict[str, Any] = {
        **{name: value for name, value in longest.identity.items() if name not in OF_ONE_STAGE},
        "corpus": mixture.fingerprint,
        "steps": mixture.n_steps,
        "sequence_length": longest.sequence_length,
        "stages": described,
    }
    return longest._replace(
        n_steps=mixture.n_steps,
        first_step=0,
        name="",
        identity=identity,
        stages=tuple(of_stages),
    )


def described_stages(plan: Plan) -> list[str]:
    """Return a line on each stage of a run, for its beginning."""
    return [
        f"stage {one.name}: steps {one.first_step + 1:,} to {one.first_step + one.n_steps:,}, "
        f"samples of {one.sequence_length:,} tokens, learning rate to {one.learning_rate:.2e}"
        for one in plan.stages
    ]
