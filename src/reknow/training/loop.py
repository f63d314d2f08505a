"""The training loop: any method, any recipe, one process or many.

Per epoch: ask the method for a plan, draw P x K batches from it, and per batch sum the losses, step, and let the
method follow. Everything drawn depends on (seed, epoch, step) alone, so a resumed run repeats the unbroken one to
the bit on the CPU. Under ``torchrun`` each process takes its share of every batch; losses, statistics and memories are
those of the whole batch (:mod:`.statistics`), so two processes learn what one would.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from reknow.data.cache import Pictures
from reknow.data.loading import evaluation_batches, load_batches
from reknow.data.manifest import Manifest
from reknow.data.outputs import outputs_of
from reknow.data.sampling import identity_batches
from reknow.errors import RunError
from reknow.methods.method import EpochPlan, Method
from reknow.methods.recipe import Recipe
from reknow.observation import Batch
from reknow.training.beginning import Beginning
from reknow.training.optimization import build_optimizer, set_learning_rate
from reknow.training.progress import Display
from reknow.training.run import Run
from reknow.training.statistics import Statistics, check_parts, parts_of, shares_of
from reknow.training.window import Window

LOG_LINES_PER_EPOCH = 20


@dataclass
class Position:
    """Where training stands: what a checkpoint adds to weights and optimizer.

    Attributes:
        epoch: the epoch that runs, or comes next.
        step: steps done in it.
        plan: its plan; None before it was made.
        seconds: trained so far, over all resumptions.
        pictures: seen so far.
    """

    epoch: int = 0
    step: int = 0
    plan: EpochPlan | None = None
    seconds: float = 0.0
    pictures: int = 0
    notes: list[str] = field(default_factory=list)


class Trainer:
    """Carries a method through its epochs.

    Args:
        recipe: what to do.
        method: who learns.
        manifest: the training rows.
        pictures: their pictures.
        run: where to write.
        fabric: device, precision, processes.
        display: what the user sees.
        beginning: what the run knows before its first step; a resumed run takes it from its checkpoint.
    """

    def __init__(
        self,
        recipe: Recipe,
        method: Method,
        manifest: Manifest,
        pictures: Pictures,
        run: Run,
        fabric: Fabric,
        display: Display,
        beginning: Beginning,
    ) -> None:
        self.recipe = recipe
        self.manifest = manifest
        self.pictures = pictures
        self.run = run
        self.fabric = fabric
        self.display = display
        self.beginning = beginning
        self.cameras = manifest.codes("camera")
        self.position = Position()
        self.stopping = False
        torch.manual_seed(recipe.seed)
        self.method = method.to(fabric.device)
        self.optimizer = build_optimizer(self.method, recipe.optimizer)
        self.losses, self._optimizer = fabric.setup(_Losses(self.method), self.optimizer)
        check_parts(recipe.sampling.batch_size, recipe.sampling.statistics_over, fabric.world_size)
        self.statistics = Statistics(self.method, fabric.world_size)

    def fit(self) -> Iterator[int]:
        """Train; yields after each finished epoch, its number, so that the caller can evaluate."""
        with self._stop_after_step():
            while self.position.epoch < self.recipe.epochs:
                self._epoch()
                finished = self.position.epoch
                self.position = Position(
                    finished + 1,
                    seconds=self.position.seconds,
                    pictures=self.position.pictures,
                    notes=self.position.notes,
                )
                if self.recipe.evaluates_after(finished):
                    self._settle()  # before the checkpoint: a run that ends here is resumed with what was measured
                if self.recipe.keeps_after(finished):
                    self.save()
                yield finished

    def _epoch(self) -> None:
        position = self.position
        rate = set_learning_rate(
            self.optimizer, self.recipe.optimizer.lr, self.recipe.schedule, position.epoch, self.recipe.epochs
        )
        if position.plan is None:
            position.plan = self.method.before_epoch(position.epoch, self.survey)
            self._report_plan(position.plan)
        batches = self._draw(position.plan)
        advance = self.display.bar(f"epoch {position.epoch + 1}/{self.recipe.epochs}", self.recipe.sampling.batch_size)
        self.method.train()
        window = Window()
        every = max(1, len(batches) // LOG_LINES_PER_EPOCH)
        started = time.perf_counter()
        for rows, batch in self._load(batches, position):
            terms = self._step(rows, batch)
            position.step += 1
            position.pictures += len(rows)
            now = time.perf_counter()
            position.seconds += now - started
            window.add(terms, len(rows), now - started)
            started = now
            if position.step % every == 0 or position.step == len(batches):
                line = window.flush(self.fabric)
                if self.fabric.is_global_zero:
                    self.run.log("step", epoch=position.epoch, step=position.step, **line, learning_rate=rate)
            advance(position.step, len(batches))
            if self.stopping:
                self._stop()

    def _step(self, rows: np.ndarray, batch: Batch) -> dict[str, Tensor]:
        """One optimizer step, part by part; the method follows afterwards.

        Args:
            rows: of the whole batch.
            batch: this process's share of it.

        Returns:
            this process's share of each term: the sum over the processes is the whole batch's mean.
        """
        processes, rank = self.fabric.world_size, self.fabric.global_rank
        parts = parts_of(len(rows), self.recipe.sampling.statistics_over, processes)
        sizes = [len(part) for part in shares_of(rows, parts, processes)[rank]]
        terms: dict[str, Tensor] = {}
        done = 0
        with self.statistics.step(parts):
            for number, size in enumerate(sizes):
                part = batch[done : done + size] if len(sizes) > 1 else batch
                done += size
                self._seed(rank * max(parts, processes) // processes + number)
                waits = number + 1 < len(sizes)
                with self.fabric.no_backward_sync(self.losses, enabled=waits), self.statistics.part():
                    found = self.losses(_Sealed(part))
                    total = torch.stack(list(found.values())).sum()
                    if not torch.isfinite(total):
                        self._refuse_non_finite(part, found)
                    # Gradients are averaged over processes, so a share of n_p rows counts processes x n_p / n.
                    self.fabric.backward(total * (processes * size / len(rows)))
                for name, term in {"loss": total, **{f"loss/{name}": term for name, term in found.items()}}.items():
                    share = term.detach() * (size / len(rows))
                    terms[name] = terms[name] + share if name in terms else share
        if self.recipe.optimizer.clip is not None:
            self.fabric.clip_gradients(self.losses, self._optimizer, max_norm=self.recipe.optimizer.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.method.after_step(batch)
        return terms

    def _seed(self, part: int) -> None:
        """What a part draws (stochastic depth) depends on its place in the run, not on the process that computes it."""
        place = (self.recipe.seed, self.position.epoch, self.position.step, part)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))

    def survey(self) -> Tensor:
        """(N, D) unit rows of the whole training manifest, in eval mode, on the CPU; processes share the work."""
        self.method.eval()
        shares = np.array_split(np.arange(len(self.manifest)), self.fabric.world_size)
        advance = self.display.bar("embedding")

        def watched(done: int, total: int) -> None:
            advance(done, total)
            if self.stopping:
                self._stop()

        rows = shares[self.fabric.global_rank]
        batches = evaluation_batches(self.pictures, rows, self.cameras, self.recipe.preprocessing, self.fabric.device)
        with self.fabric.autocast():
            vectors = outputs_of(self.method.embed, batches, len(rows), watched)
        if self.fabric.world_size == 1:
            return vectors
        parts: list[Any] = [None] * self.fabric.world_size
        torch.distributed.all_gather_object(parts, vectors)
        return torch.cat(parts)

    @torch.no_grad()
    def _settle(self) -> None:
        """Let the method measure what it needs on the network as it is, before somebody uses it."""
        count = min(self.method.settles_on, len(self.manifest))
        if not count:
            return
        rows = np.sort(np.random.default_rng(self.recipe.seed).permutation(len(self.manifest))[:count])
        self.method.eval()
        batches = evaluation_batches(self.pictures, rows, self.cameras, self.recipe.preprocessing, self.fabric.device)
        with self.fabric.autocast():
            self.method.settle(batches)

    def save(self) -> None:
        """Write the checkpoint; the main process alone does."""
        if not self.fabric.is_global_zero:
            return
        plan = self.position.plan
        self.run.save(
            {
                "beginning": self.beginning.as_plain(),
                "method": self.method.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "random": torch.get_rng_state(),
                "random_devices": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
                "epoch": self.position.epoch,
                "step": self.position.step,
                "seconds": self.position.seconds,
                "pictures": self.position.pictures,
                "notes": list(self.position.notes),
                "plan": None if plan is None else [torch.from_numpy(plan.rows), torch.from_numpy(plan.labels)],
            }
        )

    def resume(self) -> None:
        """Continue from the checkpoint.

        Raises:
            RunError: no checkpoint, a damaged one, or one of other rows.
        """
        state = self.run.load()
        beginning = Beginning.from_plain(state["beginning"])
        if beginning.data != self.beginning.data:
            raise RunError(
                self.run.folder,
                found=f"its checkpoint was made with other rows than {self.recipe.data} has now",
                expected="the observations, identities, cameras and splits that the run began with",
                remedy="Restore the data; where they moved, name the new place with the options that the old one had. "
                "Or start a new run with --init-from to keep the weights.",
            )
        self.beginning = beginning
        if self.fabric.is_global_zero:
            self.run.cut_metrics(state)
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available() and state["random_devices"]:
            torch.cuda.set_rng_state_all(state["random_devices"])
        plan = None if state["plan"] is None else EpochPlan(*(part.numpy() for part in state["plan"]))
        self.position = Position(
            state["epoch"], state["step"], plan, state["seconds"], state["pictures"], list(state["notes"])
        )

    def _draw(self, plan: EpochPlan) -> list[np.ndarray]:
        """The epoch's batches as manifest rows; equal on every process."""
        sampling = self.recipe.sampling
        rng = np.random.default_rng((self.recipe.seed, self.position.epoch))
        batches = identity_batches(
            plan.labels,
            self.cameras[plan.rows] if sampling.cross_camera else None,
            batch_size=sampling.batch_size,
            instances=sampling.instances,
            rng=rng,
            batches=self.recipe.iterations or max(1, round(len(plan.rows) / sampling.batch_size)),
        )
        return [plan.rows[batch] for batch in batches]

    def _load(self, batches: list[np.ndarray], position: Position) -> Iterator[tuple[np.ndarray, Batch]]:
        """Each batch's rows, and this process's share of the batch."""
        assert position.plan is not None
        labels = np.full(len(self.manifest), -1)
        labels[position.plan.rows] = position.plan.labels
        loaded = load_batches(
            self.pictures,
            batches,
            labels=labels,
            cameras=self.cameras,
            preprocessing=self.recipe.preprocessing,
            augmentation=self.recipe.augmentation,
            seed=(self.recipe.seed, position.epoch, 0),
            device=self.fabric.device,
            start=position.step,
            shares=[self._share(len(rows)) for rows in batches],
        )
        return zip(batches[position.step :], loaded, strict=True)

    def _share(self, size: int) -> slice:
        """Which pictures of a batch of this size are this process's."""
        processes, rank = self.fabric.world_size, self.fabric.global_rank
        parts = parts_of(size, self.recipe.sampling.statistics_over, processes)
        mine = np.concatenate(shares_of(np.arange(size), parts, processes)[rank])
        if not len(mine):
            raise RunError(
                self.run.folder,
                found=f"a batch of {size} pictures for {processes} processes",
                expected="a picture for each of them",
                remedy="Start fewer processes; the clusters found are too few for this many.",
            )
        return slice(int(mine[0]), int(mine[-1]) + 1)

    def _report_plan(self, plan: EpochPlan) -> None:
        if not self.fabric.is_global_zero:
            return
        self.run.log("epoch", epoch=self.position.epoch, **plan.diagnostics, notes=list(plan.notes))
        numbers = ", ".join(f"{name} {value:,.4g}" for name, value in plan.diagnostics.items())
        self.display.line(f"epoch {self.position.epoch + 1}/{self.recipe.epochs}: {numbers}")
        for note in plan.notes:
            self.display.line(f"  note: {note}")
            if note not in self.position.notes:
                self.position.notes.append(note)

    def _refuse_non_finite(self, batch: Batch, terms: dict[str, Tensor]) -> None:
        rows = batch.index.tolist()
        values = ", ".join(f"{name} = {term.item():g}" for name, term in terms.items())
        raise RunError(
            f"{self.run.folder}, epoch {self.position.epoch + 1}, step {self.position.step + 1}",
            found=f"a loss that is not finite ({values}) on rows {rows}",
            remedy="Lower --optimizer.lr, set --optimizer.clip, or look at these rows; the last checkpoint is whole.",
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

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class _Losses(nn.Module):
    """A method's losses as a forward, since gradients are exchanged between processes for what forward does."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, sealed: _Sealed) -> dict[str, Tensor]:
        return self.method.losses(sealed.batch)
