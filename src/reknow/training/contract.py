"""What the loop checks of a method, so that its author reads which rule it broke, and not an error from further on.

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


def author_of(value: object) -> str:
    """Whose a method or rule is, for messages.

    Example:
        >>> author_of(Counter())
        "Counter of the package 'collections'"
    """
    kind = type(value)
    return f"{kind.__qualname__} of the package '{kind.__module__.partition('.')[0]}'"


def check_groups(method: Method, groups: Sequence[ParameterGroup]) -> None:
    """Every parameter that learns belongs to exactly one group, and no two groups have one name.

    Raises:
        ContractError: otherwise.
    """
    names = {id(parameter): name for name, parameter in method.named_parameters()}
    held = Counter(id(parameter) for group in groups for parameter in group.parameters)
    twice = [names.get(one, "a parameter that is not the method's") for one, count in held.items() if count > 1]
    foreign = [one for one in held if one not in names]
    learning = [(name, id(parameter)) for name, parameter in method.named_parameters() if parameter.requires_grad]
    missing = [name for name, one in learning if one not in held]
    titles = Counter(group.name for group in groups)
    same = [title for title, count in titles.items() if count > 1]
    empty = [group.name for group in groups if not group.parameters]
    found = (
        f"'{twice[0]}' in two groups" if twice
        else "a parameter that is not the method's" if foreign
        else f"'{missing[0]}', which learns, in no group" if missing
        else f"two groups named '{same[0]}'" if same
        else f"the group '{empty[0]}' without parameters" if empty
        else "no parameter that learns" if not groups
        else ""
    )  # fmt: skip
    if found:
        raise ContractError(
            f"{author_of(method)}, parameter_groups",
            found=found,
            expected="every parameter that learns in exactly one group, each group with a name of its own",
            remedy="Correct the groups; what must not learn has requires_grad False.",
        )


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
                where, found=f"{name} that are {_said(values)}", expected="one row of whole numbers", remedy=remedy
            )
    if len(plan.rows) != len(plan.labels):
        found = f"{len(plan.rows)} rows and {len(plan.labels)} labels"
        raise ContractError(where, found=found, expected="a label for every row", remedy=remedy)
    outside = plan.rows[(plan.rows < 0) | (plan.rows >= rows)]
    if len(outside):
        expected = f"rows from 0 to {rows - 1}, those of the training set"
        raise ContractError(where, found=f"row {outside[0]}", expected=expected, remedy=remedy)
    if len(np.unique(plan.rows)) < len(plan.rows):
        values, counts = np.unique(plan.rows, return_counts=True)
        raise ContractError(where, found=f"row {values[counts > 1][0]} twice", expected="every row once", remedy=remedy)
    if (plan.labels < 0).any():
        raise ContractError(where, found=f"label {plan.labels.min()}", expected="labels from 0 up", remedy=remedy)
    return plan


def check_batches(rule: BatchRule, batches: Sequence[Int[np.ndarray, "_"]], planned: int) -> None:
    """A rule draws at least one batch, and in each at least one of the planned rows.

    Raises:
        ContractError: otherwise.
    """
    sizes = [len(batch) for batch in batches]
    outside = next((batch for batch in batches if len(batch) and (batch.min() < 0 or batch.max() >= planned)), None)
    found = (
        f"no batch of {planned} planned rows" if not batches
        else f"an empty batch ({sizes.index(0) + 1} of {len(batches)})" if 0 in sizes
        else f"position {outside.min() if outside.min() < 0 else outside.max()}" if outside is not None
        else ""
    )  # fmt: skip
    if found:
        raise ContractError(
            f"{author_of(rule)}, draw",
            found=found,
            expected=f"batches of positions from 0 to {planned - 1}" if planned else "planned rows to draw from",
            remedy="Plan more rows, or ask the rule for smaller batches.",
        )


def check_terms(method: Method, terms: object) -> dict[str, Tensor]:
    """Losses are scalar tensors by name, at least one, and at least one of them has a gradient.

    Raises:
        ContractError: otherwise.
    """
    where, remedy = f"{author_of(method)}, losses", "Take the mean over the rows of the batch, and name each term."
    if not isinstance(terms, Mapping) or not terms:
        said = "no term" if isinstance(terms, Mapping) else f"a {type(terms).__name__}"
        raise ContractError(where, found=said, expected="scalar terms by name", remedy=remedy)
    for name, term in terms.items():
        if not (isinstance(term, Tensor) and term.ndim == 0 and term.is_floating_point()):
            raise ContractError(
                where, found=f"the term '{name}' is {_said(term)}", expected="a scalar, shape ()", remedy=remedy
            )
    if torch.is_grad_enabled() and not any(term.requires_grad for term in terms.values()):
        raise ContractError(
            where, found="terms without a gradient", expected="at least one that depends on a parameter", remedy=remedy
        )
    return dict(terms)


def _said(value: object) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return f"of shape {tuple(value.shape)} and type {value.dtype}"
    return f"a {type(value).__name__}"
