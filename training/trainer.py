"""The training loop.

Nothing in a step waits for the device. A step's loss and gradient norm are copied to the host, and
are read when the next step is already queued. So a loss that is not finite is noticed one step
late, but before any weights that it changed are saved.

Shapes: B samples, T tokens of a sample, T1 = T + 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.nn.attention.flex_attention import BlockMask

from training import checkpoint
from training.data.loader import share_of_batch, validation_batches
from training.data.mixture import NO_TOKEN, Validation
from training.document_mask import causal_document_mask, document_marks, document_numbers
from training.loss import LanguageModelLoss
from training.model import Llama
from training.optimiser import learning_rate, make_optimiser
from training.options import TrainOptions
from training.parallel.context import mask_of_part
from training.parallelize import attention_kernels, free_gathered, materialise, parallelize
from training.plan import Plan
from training.processes import Processes, shorten_timeouts
from training.run_log import RunLog, terminal_line
from training.stages.staged_loader import RunMixture, loader_of
from training.stepping.accumulation import accumulate
from training.stepping.clipping import clip_gradients
from training.stepping.collection import collected_every
from training.stepping.hangs import ended_if_hung
from training.stepping.times import StepTimes
from training.stepping.traces import traced
from training.throughput import (
    attention_flops_per_token,
    device_name,
    matmul_flops_per_token,
    peak_flops,
    peak_memory,
)

SAMPLES_NAMED = 8
"""Most samples whose documents are named in the message about a loss that is not finite."""


class NonFiniteError(Exception):
    """The error of a loss or gradient that is not finite. It names the step and its documents."""


class QueuedStep(NamedTuple):
    """A step that is queued on the device, and its results."""

    number: int  # the first step is 1
    learning_rate: float
    micro_losses: Tensor  # losses of this process, one a micro-batch
    figures: Tensor  # on the host: loss, gradient norm, share asked to stop; times of processes
    ready: torch.cuda.Event | None  # occurs when the figures can be read
    waited: float  # seconds of waiting for data
    computed: float  # time when the step was queued, which is when it was done without an event


class Trainer:
    """A run's model, optimiser and position in the data, in one of the training processes."""

    def __init__(
        self, options: TrainOptions, plan: Plan, mixture: RunMixture, own: Processes
    ) -> None:
        """Make the model with its initial weights. No step is computed yet."""
        self._options, self._plan, self._mixture, self._own = options, plan, mixture, own
        run = Path(options.output)
        with torch.device("meta"):
            self.module = LanguageModelLoss(
                Llama(plan.config), options.loss_chunk_tokens, plan.compile
            )
        parallelize(
            self.module,
            own.mesh,
            activation_checkpointing=plan.activation_checkpointing,
            compiled=plan.compile,
            compute_dtype=plan.compute_dtype,
            reshard_after_forward=options.reshard_after_forward,
        )
        materialise(self.module, own.device, options.seed)
        self._times = StepTimes(self.module.model.head, own)
        self._optimiser = make_optimiser(self.module, weight_decay=options.weight_decay)
        self._loader = loader_of(
            mixture,
            batch_samples=plan.batch_samples,
            rank=own.mesh.data_rank,
            world_size=own.mesh.sizes.data,
            workers=options.workers,
            fill_in_the_middle=plan.fill_in_the_middle,
        )
        self._validation = Validation(
            options.data, sequence_length=plan.validation_length, cache=options.cache
        )
        self._begin, self._end = (
            document_marks(mixture) if options.within_documents else (None, None)
        )
        self._checkpoints = checkpoint.CheckpointWriter(
            run,
            own.for_checkpoints,
            keep=options.keep,
            asynchronous=options.async_checkpoints,
            on_gpu=own.device.type == "cuda",
        )
        self._log: RunLog | None = None
        self.done_steps = 0
        self._asked_to_stop = False
        self.clock = _Clock(time.perf_counter())

    def stop(self) -> None:
        """Stop all processes after a step or two, with a checkpoint. May be called in a handler."""
        self._asked_to_stop = True

    def load(self, step: int) -> None:
        """Load the checkpoint of a step. Raises ValueError where it cannot be read."""
        state = self._state()
        checkpoint.load(Path(self._options.output), step, state, self._own.for_checkpoints)
        set_state_dict(
            self.module,
            self._optimiser,
            model_state_dict=state["model"],
            optim_state_dict=state["optimiser"],
        )
        self._loader.load_state_dict(state["data"])
        self.done_steps = step
        self._say(f"going on after step {step:,}")

    def run(self) -> bool:
        """Train to the end of the run. Returns False if it was stopped before.

        Raises :class:`NonFiniteError`.
        """
        options, plan = self._options, self._plan
        if self._own.is_first:
            wandb_config = plan.identity if options.wandb else None
            self._log = RunLog(Path(options.output), self.done_steps, wandb_config)
        batches = self.batches()
        queued: QueuedStep | None = None
        stopped = False
        can_validate = options.validate_every > 0 and bool(self._validation.n_samples)
        started_after = self.done_steps
        self.clock = _Clock(time.perf_counter())
        run, rank = Path(options.output), self._own.rank
        with (
            attention_kernels(),
            collected_every(options.collect_every) as collect_after,
            traced(options.profile, run, rank) as trace,
            ended_if_hung(options.hang_seconds, run, rank) as gets_on,
        ):
            while self.done_steps < plan.n_steps and not stopped:
                gets_on()
                step = self.step(batches)
                collect_after(step.number)
                trace()
                if self.done_steps == started_after + 1:
                    shorten_timeouts(self._own)
                if queued is not None:
                    stopped = self._report(queued)
                queued = step
                self._checkpoints.poll()
                at_end = stopped or self.done_steps == plan.n_steps
                validates = can_validate and (
                    self.done_steps % options.validate_every == 0 or at_end
                )
                saves = self.done_steps % options.checkpoint_every == 0 or at_end
                if validates or saves:
                    stopped |= self._report(queued)
                    queued = None
                if saves:
                    self._checkpoints.save(self.done_steps, self._state())
                if validates and not stopped:
                    self._validate()
        self._checkpoints.finish()
        return self.done_steps == plan.n_steps

    def close(self) -> None:
        """Close the logs, and free what checkpoints are copied to."""
        self._checkpoints.close()
        if self._log is not None:
            self._log.close()

    def batches(self) -> Iterator[Tensor]:
        """Return an iterator over this process's samples of the remaining steps, ``tokens_BT1``."""
        return iter(self._loader)

    def step(self, batches: Iterator[Tensor]) -> QueuedStep:
        """Queue one step of the optimiser. :meth:`run` reports it."""
        options, plan = self._options, self._plan.of_step(self.done_steps + 1)
        if plan.name and self.done_steps == plan.first_step:
            self._say(f"step {self.done_steps + 1:,}: stage {plan.name} begins")
        rate = learning_rate(
            self.done_steps - plan.first_step,
            maximum=plan.learning_rate,
            minimum_fraction=plan.minimum_fraction,
            warmup_steps=plan.warmup_steps,
            n_steps=plan.n_steps,
            decay_steps=plan.decay_steps,
        )
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        asked = time.perf_counter()
        tokens_BT1 = next(batches)
        waited = time.perf_counter() - asked
        micro_losses = accumulate(
            self.module,
            tokens_BT1.to(self._own.device, non_blocking=True),
            plan.n_micro_batches,
            self._mask,
            sizes=self._own.mesh.sizes,
            reduce_each=plan.reduce_each,
        )
        norm = clip_gradients(self.module.parameters(), options.max_gradient_norm)
        self._checkpoints.wait_until_copied()
        self._optimiser.step()
        self._optimiser.zero_grad()
        asked_to_stop = torch.full_like(micro_losses[0], float(self._asked_to_stop))
        figures = torch.stack([micro_losses.sum(), norm, asked_to_stop])
        figures = torch.cat([figures, self._times.of_step(waited)])
        dist.all_reduce(figures)
        figures[:3] /= self._own.n_processes
        ready = None
        if figures.is_cuda:
            figures = figures.to("cpu", non_blocking=True)
            ready = torch.cuda.Event()
            ready.record()
        self.done_steps += 1
        return QueuedStep(
            self.done_steps, rate, micro_losses, figures, ready, waited, time.perf_counter()
        )

    def _mask(self, inputs_BT: Tensor) -> Tensor | BlockMask | None:
        numbers_BT = None
        if self._options.within_documents:
            numbers_BT = document_numbers(inputs_BT, begin=self._begin, end=self._end)
        if (context := self._own.mesh.context) is not None:
            return mask_of_part(context, inputs_BT, numbers_BT)
        return None if numbers_BT is None else causal_document_mask(numbers_BT)

    def _report(self, step: QueuedStep) -> bool:
        """Check and log a step's figures; return whether to stop.

        The figures are the same on every process. Raises :class:`NonFiniteError`.
        """
        done = step.computed
        if step.ready is not None:
            step.ready.synchronize()
            done = time.perf_counter()
        loss, norm, asked_to_stop, *times = step.figures.tolist()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._checkpoints.finish()
            raise NonFiniteError(self._non_finite(step, loss, norm))
        values = {"loss": loss, "learning_rate": step.learning_rate, "gradient_norm": norm}
        self._times.add(times)
        self.clock.steps += 1
        self.clock.waited += step.waited
        is_shown = step.number % self._options.log_every == 0 or step.number == self._plan.n_steps
        if is_shown:
            values |= self._speed(done, self._plan.of_step(step.number)) | self._times.tell()
        if self._log is not None:
            self._log.figures(step.number, values)
        if is_shown:
            self._say(terminal_line(step.number, self._plan.n_steps, values))
        return asked_to_stop > 0

    def _speed(self, done: float, plan: Plan) -> dict[str, float]:
        """Return speed and memory from the last call to when the last step, of a plan, was done."""
        own, clock = self._own, self.clock
        seconds = done - clock.started
        n_tokens = clock.steps * plan.batch_tokens
        values = {
            "tokens_per_second": n_tokens / seconds,
            "data_wait_fraction": clock.waited / seconds,
            "memory_gb": peak_memory(own.device) / 1e9,
        }
        if peak := peak_flops(device_name(own.device)):
            config = plan.config
            matmul = matmul_flops_per_token(config)
            attention = attention_flops_per_token(config, plan.sequence_length)
            share = values["tokens_per_second"] / own.n_processes / peak
            values["mfu_6n"] = share * matmul
            values["mfu_6n_12ltd"] = share * (matmul + attention)
        self.clock = _Clock(done)
        return values

    @torch.no_grad()
    def _validate(self) -> None:
        """Compute and log the loss of each source's held-out documents, in nats a token."""
        started = time.perf_counter()
        options, plan, own = self._options, self._plan, self._own
        losses = {}
        together = plan.micro_batch_samples * own.mesh.sizes.data
        for source, n_samples in self._validation.n_samples.items():
            totals = torch.zeros(2, dtype=torch.float64, device=own.device)
            wanted = -(-min(n_samples, options.validation_samples) // together)
            batches = validation_batches(
                self._validation,
                source,
                batch_samples=plan.micro_batch_samples,
                rank=own.mesh.data_rank,
                world_size=own.mesh.sizes.data,
            )
            for _, tokens_BT1 in zip(range(wanted), batches, strict=False):
                tokens_BT1 = tokens_BT1.to(own.device, non_blocking=True)
                inputs_BT, targets_BT = tokens_BT1[:, :-1].clamp_min(0), tokens_BT1[:, 1:]
                totals[0] += self.module(inputs_BT, targets_BT, self._mask(inputs_BT))
                totals[1] += (targets_BT != NO_TOKEN).sum() / own.mesh.sizes.cp
            dist.all_reduce(totals)
            losses[source] = float(totals[0] / totals[1])
        free_gathered(self.module)
        if self._log is not None:
            named = {f"validation_loss/{source}": loss for source, loss in losses.items()}
            self._log.figures(self.done_steps, named)
        shown = "  ".join(f"{source} {loss:.4f}" for source, loss in losses.items())
        self._say(f"step {self.done_steps:,}: validation loss  {shown}")
        self.clock.started += time.perf_counter() - started

    def _state(self) -> dict[str, Any]:
        """Return the state for a checkpoint: model, optimiser, position in the data."""
        model, optimiser = get_state_dict(self.module, self._optimiser)
        return {"model": model, "optimiser": optimiser, "data": self._loader.state_dict()}

    def _non_finite(self, step: QueuedStep, loss: float, norm: float) -> str:
        """Return the message about a step whose loss or gradient is not finite.

        It names the documents of the samples with such a loss, or of all samples if there are none.
        """
        options, plan, own = self._options, self._plan.of_step(step.number), self._own
        of_step = self._mixture.positions_of_step(step.number, plan.batch_tokens)
        mesh = own.mesh
        share = torch.tensor(share_of_batch(plan.batch_samples, mesh.data_rank, mesh.sizes.data))
        parts = zip(
            share.tensor_split(plan.n_micro_batches), step.micro_losses.tolist(), strict=True
        )
        mine = [
            of_step[number]
            for part, loss_of_part in parts
            if not math.isfinite(loss_of_part)
            for number in part.tolist()
        ]
        of_processes: list[list[int]] = [[] for _ in range(own.n_processes)]
        dist.all_gather_object(of_processes, mine, own.for_messages)
        positions = sorted({position for part in of_processes for position in part})
        positions = positions or list(of_step)
        spans = [
            span
            for position in positions[:SAMPLES_NAMED]
            for span in self._mixture.documents_of(position)
        ]
        more = len(positions) - SAMPLES_NAMED
        return (
            f"step {step.number:,}: the loss is {loss} and the gradient norm {norm}; nothing was "
            f"saved after it. In {len(positions)} of its samples, documents: "
            + ", ".join(dict.fromkeys(span.id for span in spans))
            + (f", and those of {more} samples more" if more > 0 else "")
            + f". All of the step: corpus trace {options.data} --run {options.output}"
            f" --step {step.number}"
        )

    def _say(self, line: str) -> None:
        if self._own.is_first:
            print(line, flush=True)


class _Clock:
    """Time and steps since the speed was last computed."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.waited = 0.0  # seconds of waiting for data
        self.steps = 0
