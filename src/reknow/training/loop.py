"""The training loop: any method, any recipe, one process or many.

Per epoch: ask the method for a plan, draw batches from it, and per batch sum the losses, step, and let the method
follow. Everything drawn depends on (seed, epoch, step) alone, so a resumed run repeats the unbroken one to the bit on
the CPU. Under ``torchrun`` each process takes its share of every batch; losses, statistics and memories are
those of the whole batch (:mod:`.batch_norm`), so two processes learn what one would.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from torch import Tensor, nn

from reknow.errors import RunError
from reknow.evaluation.scores import purity
from reknow.methods.method import EpochPlan, Method, Moment
from reknow.methods.recipe import Recipe
from reknow.methods.sampling import BatchRule, PlannedRows
from reknow.methods.training_set import TrainingSet
from reknow.models.epochs import Remarks, begin_epoch
from reknow.observation import Batch, Spectrum
from reknow.progress import Display, Progress
from reknow.training.batch_norm import BatchNormStatistics, check_parts, parts_of, shares_of
from reknow.training.checkpoint import Position, RunStart
from reknow.training.contract import check_batches, check_phase, check_plan, check_terms
from reknow.training.optimization import Optimizers
from reknow.training.records import EpochLine, StepLine
from reknow.training.run import Run

LOG_LINES_PER_EPOCH = 20


class Window:
    """Sums of the loss terms since the last line of the log, which :meth:`line` adds over all processes."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0
        self.pictures = 0
        self.seconds = 0.0

    def add(self, terms: dict[str, Float[Tensor, ""]], pictures: int, seconds: float) -> None:
        """Add a step: this process's share of each term, the pictures of all processes, the seconds it took."""
        for name, term in terms.items():
            self.sums[name] = self.sums[name] + term if name in self.sums else term.clone()
        self.steps += 1
        self.pictures += pictures
        self.seconds += seconds

    def line(self, position: Position, rate: float, fabric: Fabric) -> StepLine:
        """The line of the log for these steps: means of the terms, and pictures per second."""
        totals = torch.stack(list(self.sums.values())).double()
        if fabric.world_size > 1:
            torch.distributed.all_reduce(totals)
        terms = {name: total / self.steps for name, total in zip(self.sums, totals.tolist(), strict=True)}
        speed = round(self.pictures / max(self.seconds, 1e-9), 1)
        return StepLine(position.epoch, position.step, terms, images_per_second=speed, learning_rate=rate)


class Trainer:
    """Carries a method through its epochs.

    Args:
        recipe: what to do.
        method: what learns.
        training_set: the rows it learns from.
        identities: (N,) true identities of these, -1 where unknown: for the logged purity alone.
        run: where to write.
        fabric: device, precision, processes.
        display: what the user sees.
        start: what the run knows before its first step; a resumed run takes it from its checkpoint.

    Raises:
        RecipeError: parts of a batch that cannot be spread over the processes.
    """

    def __init__(
        self,
        recipe: Recipe,
        method: Method,
        training_set: TrainingSet,
        identities: Int[np.ndarray, "rows"],
        run: Run,
        fabric: Fabric,
        display: Display,
        start: RunStart,
    ) -> None:
        self.recipe = recipe
        self.training_set = training_set
        self.identities = identities
        self.run = run
        self.fabric = fabric
        self.display = display
        self.start = start
        self.position = Position()
        self.stopping = False
        torch.manual_seed(recipe.seed)
        self.method = method.to(fabric.device)
        self.optimizers = Optimizers(self.method, recipe.optimizer, recipe.schedule)
        self.losses, *self._optimizers = fabric.setup(_Losses(self.method), *self.optimizers.all)
        check_parts(recipe.sampling.batch_size, recipe.sampling.statistics_over, fabric.world_size)
        self.statistics = BatchNormStatistics(self.method, fabric.world_size)

    def fit(self) -> Iterator[int]:
        """Train; yields after each finished epoch, its number, so that the caller can evaluate."""
        with self._stop_after_step():
            while self.position.epoch < self.recipe.epochs:
                self._epoch()
                finished = self.position.epoch
                self.position = self.position.next_epoch()
                if self.recipe.evaluates_after(finished):
                    # Before the checkpoint: a run that ends here is resumed with what was measured.
                    self._before_evaluation()
                if self.recipe.keeps_after(finished):
                    self.save()
                yield finished

    @property
    def finished_unscored(self) -> int | None:
        """The epoch that was finished last, where its evaluation is due and not in the log."""
        finished = self.position.epoch - 1
        if finished < 0 or self.position.step or not self.recipe.evaluates_after(finished):
            return None
        return None if any(line.epoch == finished for line in self.run.metrics().evaluations) else finished

    def _epoch(self) -> None:
        position = self.position
        remarks = begin_epoch(self.method.network, position.epoch)
        if position.plan is None:
            self.method.eval()
            plan = check_plan(
                self.method, self.method.before_epoch(position.epoch, self.training_set), len(self.training_set)
            )
            check_phase(self.method, self.optimizers.groups, plan.phase)
            position.plan = plan
            self._log_plan(plan, remarks)
        rule = position.plan.sampling or self.recipe.sampling
        batches = self._draw(position.plan, rule)
        advance = self.display.bar(f"epoch {position.epoch + 1}/{self.recipe.epochs}", rule.batch_size)
        self.method.train()
        window = Window()
        every = max(1, len(batches) // LOG_LINES_PER_EPOCH)
        started = time.perf_counter()
        for rows, batch in self._load(batches, position, rule):
            moment = self._moment(len(batches))
            rate = self.optimizers.set_rates(moment)
            terms = self._step(rows, batch, rule, moment)
            position.step += 1
            position.pictures += len(rows)
            now = time.perf_counter()
            position.seconds += now - started
            window.add(terms, len(rows), now - started)
            started = now
            if position.step % every == 0 or position.step == len(batches):
                line, window = window.line(position, rate, self.fabric), Window()
                if self.fabric.is_global_zero:
                    self.run.log(line)
            advance(position.step, len(batches))
            if self.stopping:
                self._stop()

    def _moment(self, steps: int) -> Moment:
        position = self.position
        assert position.plan is not None
        return Moment(
            position.epoch, self.recipe.epochs, position.step, steps, position.steps_before, position.plan.phase
        )

    def _step(self, rows: np.ndarray, batch: Batch, rule: BatchRule, moment: Moment) -> dict[str, Tensor]:
        """One optimizer step, part by part; the method follows afterwards.

        Args:
            rows: of the whole batch.
            batch: this process's share of it.
            rule: that drew it.
            moment: how far the run is.

        Returns:
            this process's share of each term: the sum over the processes is the whole batch's mean.
        """
        processes, rank = self.fabric.world_size, self.fabric.global_rank
        parts = parts_of(len(rows), rule.statistics_over, processes)
        sizes = [len(part) for part in shares_of(rows, parts, processes)[rank]]
        terms: dict[str, Tensor] = {}
        done = 0
        with self.statistics.step(parts):
            for number, size in enumerate(sizes):
                part = batch[done : done + size] if len(sizes) > 1 else batch
                done += size
                self._seed(rank * max(parts, processes) // processes + number)
                more_parts = number + 1 < len(sizes)
                with self.fabric.no_backward_sync(self.losses, enabled=more_parts), self.statistics.part():
                    named = check_terms(self.method, self.losses(_Sealed(part, moment)))
                    total = torch.stack(list(named.values())).sum()
                    # Gradients are averaged over processes, so a share of n_p rows counts processes x n_p / n.
                    self.fabric.backward(total * (processes * size / len(rows)))
                    # After the backward pass, since reading the number waits until a GPU has computed the forward pass.
                    if not torch.isfinite(total):
                        self._refuse_non_finite(part, named)
                for name, term in {"loss": total, **{f"loss/{name}": term for name, term in named.items()}}.items():
                    share = term.detach() * (size / len(rows))
                    terms[name] = terms[name] + share if name in terms else share
        self.optimizers.hold_back(moment.phase)
        for settings, optimizer in zip(self.optimizers.settings, self._optimizers, strict=True):
            if settings.clip is not None:
                self.fabric.clip_gradients(self.losses, optimizer, max_norm=settings.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.method.after_step(batch)
        return terms

    def _seed(self, part: int) -> None:
        """What a part draws (stochastic depth) depends on its place in the run, not on the process that computes it."""
        place = (self.recipe.seed, self.position.epoch, self.position.step, part)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))

    def embed(self) -> Tensor:
        """(N, D) unit rows of the whole training set by the network as it is, on the CPU; processes share the work."""
        self.method.eval()
        return self.training_set.embed(self.method.embed)

    @torch.no_grad()
    def _before_evaluation(self) -> None:
        """Let the method measure what it needs on the network as it is, before it is used."""
        self.method.eval()
        self.method.before_evaluation(self.training_set)

    def watch(self, title: str) -> Progress:
        """Progress of work on the training set, which stops where the user asked for it."""
        advance = self.display.bar(title)

        def watched(done: int, total: int) -> None:
            advance(done, total)
            if self.stopping:
                self._stop()

        return watched

    def save(self) -> None:
        """Write the checkpoint; the main process alone does."""
        if not self.fabric.is_global_zero:
            return
        self.run.save(
            {
                "start": self.start.as_plain(),
                "position": self.position.as_plain(),
                "method": self.method.state_dict(),
                "optimizers": self.optimizers.state_dict(),
                "random": torch.get_rng_state(),
                "random_device": torch.cuda.get_rng_state(self.fabric.device) if self._on_gpu else None,
            }
        )

    def resume(self) -> None:
        """Continue from the checkpoint.

        Raises:
            RunError: a damaged checkpoint, or one of another recipe or other rows.
        """
        state = self.run.load()
        start = RunStart.from_plain(state["start"])
        start.check_recipe(self.recipe, self.run.folder)
        if start.data != self.start.data:
            places = [data for data in (self.recipe.data, self.recipe.evaluation_data) if data]
            raise RunError(
                self.run.folder,
                found=f"its checkpoint was made with other rows than {' or '.join(places)} has now",
                expected="the observations, identities, cameras and splits that the run began with",
                remedy="Restore the data; where they moved, name the new place with the options that the old one had. "
                "Or start a new run with --init-from to keep the weights.",
            )
        self.start = start
        self.method.load_state_dict(state["method"])
        self.optimizers.load_state_dict(state["optimizers"])
        torch.set_rng_state(state["random"])
        if self._on_gpu and (drawn := state.get("random_device")) is not None:  # None: it ran on a CPU so far
            torch.cuda.set_rng_state(drawn, self.fabric.device)
        self.position = Position.from_plain(state["position"], str(self.run.folder))
        if self.fabric.is_global_zero:
            self.run.cut_metrics(state["metrics_bytes"], finished=self.position.epoch - 1)
        self.fabric.barrier()

    @property
    def _on_gpu(self) -> bool:
        return self.fabric.device.type == "cuda"

    def _draw(self, plan: EpochPlan, rule: BatchRule) -> list[np.ndarray]:
        """The epoch's batches as rows of the training set; equal on every process.

        Raises:
            ContractError: a rule that draws nothing, or what was not planned.
        """
        if plan.sampling is not None:
            check_parts(rule.batch_size, rule.statistics_over, self.fabric.world_size)
        present: dict[Spectrum, np.ndarray] = {
            spectrum: there[plan.rows] for spectrum, there in self.training_set.present.items()
        }
        planned = PlannedRows(plan.labels, self.training_set.cameras[plan.rows], present)
        rng = np.random.default_rng((self.recipe.seed, self.position.epoch))
        steps = self.recipe.steps_of_epoch(len(self.training_set), len(planned), rule.batch_size)
        batches = check_batches(rule, rule.draw(planned, rng, steps), len(planned))
        return [plan.rows[batch] for batch in batches]

    def _load(
        self, batches: list[np.ndarray], position: Position, rule: BatchRule
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Each batch's rows, and this process's share of the batch."""
        assert position.plan is not None
        labels = np.full(len(self.training_set), -1)
        labels[position.plan.rows] = position.plan.labels
        loaded = self.training_set.training_batches(
            batches,
            labels,
            self.recipe.augmentation,
            seed=(self.recipe.seed, position.epoch, 0),
            start=position.step,
            shares=[self._share(len(rows), rule) for rows in batches],
        )
        return zip(batches[position.step :], loaded, strict=True)

    def _share(self, size: int, rule: BatchRule) -> slice:
        """Which pictures of a batch of this size are this process's."""
        processes, rank = self.fabric.world_size, self.fabric.global_rank
        parts = parts_of(size, rule.statistics_over, processes)
        mine = np.concatenate(shares_of(np.arange(size), parts, processes)[rank])
        if not len(mine):
            raise RunError(
                self.run.folder,
                found=f"a batch of {size} pictures for {processes} processes",
                expected="a picture for each of them",
                remedy="Start fewer processes; the clusters give batches too small for this many.",
            )
        return slice(int(mine[0]), int(mine[-1]) + 1)

    def _log_plan(self, plan: EpochPlan, remarks: Remarks) -> None:
        """Log what the epoch is to train on, and what the network says of the one before."""
        if not self.fabric.is_global_zero:
            return
        diagnostics = {name: float(value) for name, value in {**plan.diagnostics, **remarks.numbers}.items()}
        notes = (*plan.notes, *remarks.notes)
        if not self.recipe.method.supervised:
            labels = np.full(len(self.training_set), -1)
            labels[plan.rows] = plan.labels
            diagnostics |= purity(labels, self.identities)
        self.run.log(EpochLine(self.position.epoch, diagnostics, notes))
        numbers = ", ".join(f"{name} {value:,.4g}" for name, value in diagnostics.items())
        self.display.line(f"epoch {self.position.epoch + 1}/{self.recipe.epochs}: {numbers}")
        for note in notes:
            self.display.line(f"  note: {note}")
            if note not in self.position.notes:
                self.position.notes.append(note)

    def _refuse_non_finite(self, batch: Batch, terms: dict[str, Tensor]) -> None:
        rows = batch.index.tolist()
        values = ", ".join(f"{name} = {term.item():g}" for name, term in terms.items())
        raise RunError(
            f"{self.run.folder}, epoch {self.position.epoch + 1}, step {self.position.step + 1}",
            found=f"a loss that is not finite ({values}) on rows {rows}",
            remedy="Lower --optimizer.lr, set --optimizer.clip, or check these rows; the last checkpoint is whole.",
        )

    def _stop(self) -> None:
        self.save()
        raise KeyboardInterrupt

    @contextmanager
    def _stop_after_step(self) -> Iterator[None]:
        """Ctrl-C ends the run after the step that is under way; a second one ends it at once."""

        def note(number: int, frame: FrameType | None) -> None:
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping = True
            self.display.line("Stopping after this step; press Ctrl-C again to stop at once.")

        try:
            before = signal.signal(signal.SIGINT, note)
        except ValueError:  # not the main thread: whoever runs the loop there stops it another way
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class _Sealed:
    """A batch that Fabric's precision plugin does not take apart: it copies dataclasses, and refuses frozen ones."""

    def __init__(self, batch: Batch, moment: Moment) -> None:
        self.batch = batch
        self.moment = moment


class _Losses(nn.Module):
    """A method's losses as a forward, since gradients are exchanged between processes for what forward does."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, sealed: _Sealed) -> Any:  # whatever the method returns; check_terms checks it
        return self.method.losses(sealed.batch, sealed.moment)
