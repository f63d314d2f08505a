"""What the loop checks of a method, so that its author reads which rule it broke instead of a later error.

Rules are those of :mod:`reknow.methods.method`. The checks cost microseconds a step and wait for no device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from reknow.errors import ContractError
from reknow.methods.method import EpochPlan, Method
from reknow.methods.optimization import ParameterGroup
from reknow.methods.sampling import BatchRule

LOGGED = frozenset({"kind", "epoch", "notes", "purity"})
"""Names that a line of the log has beside a plan's diagnostics."""


def author_of(value: object) -> str:
    """The class and the package of a method or rule, for messages.

    Example:
        >>> author_of(Counter())
        "Counter of the package 'collections'"
    """
    kind = type(value)
    return f"{kind.__qualname__} of the package '{kind.__module__.partition('.')[0]}'"


def check_groups(method: Method, groups: object) -> list[ParameterGroup]:
    """Every parameter that learns belongs to exactly one group, and no two groups have one name.

    Raises:
        ContractError: otherwise.
    """
    if not isinstance(groups, Sequence) or not all(isinstance(group, ParameterGroup) for group in groups):
        other = groups
        if isinstance(groups, Sequence):
            other = next(group for group in groups if not isinstance(group, ParameterGroup))
        raise ContractError(
            f"{author_of(method)}, parameter_groups",
            found=_kind(other),
            expected="a list of ParameterGroup",
            remedy="Return reknow.methods.optimization.ParameterGroup values.",
        )
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    held = Counter(id(parameter) for group in groups for parameter in group.parameters)
    twice = [names.get(key, "a parameter that is not the method's") for key, count in held.items() if count > 1]
    unknown = [key for key in held if key not in names]
    learning = [(name, id(parameter)) for name, parameter in method.named_parameters() if parameter.requires_grad]
    missing = [name for name, key in learning if key not in held]
    titles = Counter(group.name for group in groups)
    same = [title for title, count in titles.items() if count > 1]
    empty = [group.name for group in groups if not group.parameters]
    fault = (
        f"'{twice[0]}' in two groups" if twice
        else "a parameter that is not the method's" if unknown
        else f"'{missing[0]}', which learns, in no group" if missing
        else f"two groups named '{same[0]}'" if same
        else f"the group '{empty[0]}' without parameters" if empty
        else "no parameter that learns" if not groups
        else ""
    )  # fmt: skip
    if fault:
        raise ContractError(
            f"{author_of(method)}, parameter_groups",
            found=fault,
            expected="every parameter that learns in exactly one group, each group with a name of its own",
            remedy="Correct the groups; what must not learn has requires_grad False.",
        )
    for group in groups:
        if isinstance(group.phases, str):
            raise ContractError(
                f"{author_of(method)}, parameter_groups",
                found=f"the phases of '{group.name}' are the text '{group.phases}'",
                expected="a tuple of names",
                remedy=f"Write phases=('{group.phases}',).",
            )
    return list(groups)


def check_plan(method: Method, plan: object, rows: int) -> EpochPlan:
    """A plan names rows of the training set, each once, with a label from 0 up.

    Raises:
        ContractError: otherwise.
    """
    where = f"{author_of(method)}, before_epoch"
    remedy = "Correct the plan that it returns; outliers, label -1, are left out of it."
    if not isinstance(plan, EpochPlan):
        raise ContractError(where, found=f"a {type(plan).__name__}", expected="an EpochPlan", remedy=remedy)
    for name in ("rows", "labels"):
        values = getattr(plan, name)
        if not (isinstance(values, np.ndarray) and values.ndim == 1 and np.issubdtype(values.dtype, np.integer)):
            raise ContractError(
                where, found=f"{name} that are {_kind(values)}", expected="one row of whole numbers", remedy=remedy
            )
    if len(plan.rows) != len(plan.labels):
        counts = f"{len(plan.rows)} rows and {len(plan.labels)} labels"
        raise ContractError(where, found=counts, expected="a label for every row", remedy=remedy)
    outside = plan.rows[(plan.rows < 0) | (plan.rows >= rows)]
    if len(outside):
        expected = f"rows from 0 to {rows - 1}, those of the training set"
        raise ContractError(where, found=f"row {outside[0]}", expected=expected, remedy=remedy)
    if len(np.unique(plan.rows)) < len(plan.rows):
        values, counts = np.unique(plan.rows, return_counts=True)
        raise ContractError(where, found=f"row {values[counts > 1][0]} twice", expected="every row once", remedy=remedy)
    if (plan.labels < 0).any():
        raise ContractError(where, found=f"label {plan.labels.min()}", expected="labels from 0 up", remedy=remedy)
    _check_other_fields(plan, where, remedy)
    return plan


def _check_other_fields(plan: EpochPlan, where: str, remedy: str) -> None:
    """The fields of a plan beside rows and labels."""
    if not (plan.sampling is None or isinstance(plan.sampling, BatchRule)):
        sampling = f"a sampling that is {_kind(plan.sampling)}"
        raise ContractError(where, found=sampling, expected="a BatchRule, or None", remedy=remedy)
    if not isinstance(plan.phase, str):
        raise ContractError(where, found=f"a phase that is {_kind(plan.phase)}", expected="its name", remedy=remedy)
    if isinstance(plan.notes, str) or not all(isinstance(note, str) for note in plan.notes):
        raise ContractError(where, found="notes that are no tuple of texts", expected="sentences", remedy=remedy)
    for name, value in plan.diagnostics.items():
        if name in LOGGED or not isinstance(name, str):
            expected = f"another name than {', '.join(sorted(LOGGED))}, which a line of the log has itself"
            raise ContractError(where, found=f"the diagnostic '{name}'", expected=expected, remedy=remedy)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            fault = f"the diagnostic '{name}' is {_kind(value)}"
            raise ContractError(where, found=fault, expected="a number", remedy=remedy)


def check_phase(method: Method, groups: Sequence[ParameterGroup], phase: str) -> None:
    """Something moves in a phase.

    Raises:
        ContractError: no group of the method does.
    """
    if not any(group.moves_in(phase) for group in groups):
        named = sorted({known for group in groups for known in group.phases})
        raise ContractError(
            f"{author_of(method)}, before_epoch",
            found=f"the phase '{phase}', in which no parameter group moves",
            expected=f"one of {', '.join(named)}",
            remedy="Correct the plan's phase, or the groups' phases.",
        )


def check_batches(rule: BatchRule, batches: object, planned: int) -> list[Int[np.ndarray, "_"]]:
    """A rule draws at least one batch, in each at least one of the planned rows, and no more than its size.

    Raises:
        ContractError: otherwise.
    """

    def fault(actual: str, expected: str) -> ContractError:
        remedy = "Plan more rows, or ask the rule for other batches."
        return ContractError(f"{author_of(rule)}, draw", found=actual, expected=expected, remedy=remedy)

    if not isinstance(batches, Sequence):
        raise fault(_kind(batches), "a list of arrays of positions")
    if not batches:
        raise fault(f"no batch of {planned} planned rows", "at least one")
    for number, batch in enumerate(batches, 1):
        which = f"batch {number} of {len(batches)}"
        if not (isinstance(batch, np.ndarray) and batch.ndim == 1 and np.issubdtype(batch.dtype, np.integer)):
            raise fault(f"{which} is {_kind(batch)}", "one row of whole numbers")
        if not len(batch):
            raise fault(f"{which} is empty", "at least one position")
        if batch.min() < 0 or batch.max() >= planned:
            wrong = batch.min() if batch.min() < 0 else batch.max()
            raise fault(f"position {wrong} in {which}", f"positions from 0 to {planned - 1}")
        if len(batch) > rule.batch_size:
            raise fault(f"{which} has {len(batch)} positions", f"at most {rule.batch_size}, its batch_size")
    return list(batches)


def check_terms(method: Method, terms: object) -> dict[str, Tensor]:
    """Losses are scalar tensors by name, at least one, and at least one of them has a gradient.

    Raises:
        ContractError: otherwise.
    """
    where, remedy = f"{author_of(method)}, losses", "Take the mean over the rows of the batch, and name each term."
    if not isinstance(terms, Mapping) or not terms:
        fault = "no term" if isinstance(terms, Mapping) else f"a {type(terms).__name__}"
        raise ContractError(where, found=fault, expected="scalar terms by name", remedy=remedy)
    for name, term in terms.items():
        if not (isinstance(term, Tensor) and term.ndim == 0 and term.is_floating_point()):
            raise ContractError(
                where, found=f"the term '{name}' is {_kind(term)}", expected="a scalar, shape ()", remedy=remedy
            )
    if torch.is_grad_enabled() and not any(term.requires_grad for term in terms.values()):
        raise ContractError(
            where, found="terms without a gradient", expected="at least one that depends on a parameter", remedy=remedy
        )
    return dict(terms)


def _kind(value: object) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return f"of shape {tuple(value.shape)} and type {value.dtype}"
    return f"a {type(value).__name__}"
