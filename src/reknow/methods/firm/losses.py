"""FIRM's losses (section 3.5, eqs. 11 and 17 to 19); the method adds them up with their weights (eq. 20).

    L_con     sum over views m of  beta^m  mean over i of  - sum over j of pi^m_ij log softmax_j(<f^m_i, p^m_j> / 0.05)
    L_align   mean over layers l and pictures i of  | CLS^l_i - p^fusion_k(i) |^2
    L_proto   sum over clusters k and visual views m of  | mean of f^m over k  -  p^fusion_k |^2,  and of split clusters
              1/2 ( 1/2 | mean of f^rgb  -  p^infrared_k |^2  +  1/2 | mean of f^infrared  -  p^rgb_k |^2 )
    L_Den     - 1/D  mean over clusters k of  log g(mean of f^fusion over k)

pi is the transport plan and beta^m is log(1 + sum over i of omega^m_i), made to sum 1; both are constants like all
prototypes. Means are those of the batch's members of k. Every feature, token and mean is taken to length 1.

Decisions. The paper writes L_proto and L_Den between prototypes. These are running means outside of the network and,
by its own words, constants: neither loss has a gradient. Here the batch's mean stands in the place of one prototype and
carries it; the paper's form is ``literal=True``, a number for the log. Noise (label -1) is left out of every loss, and
so are features shorter than 1e-6, and what would be compared with an invalid prototype. Where nothing is left the loss
is 0 with a gradient of zeros. All is computed in 32 bit at least, also under autocast. With several processes pass the
rows of all (:func:`reknow.distributed.part_rows`).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reknow.errors import RecipeError
from reknow.methods.firm.cluster_memory import FUSION, INFRARED, RGB, ClusterMemory, check_labels, unit
from reknow.methods.firm.confidence import TransportPlans, check_plan
from reknow.methods.firm.mixture import GaussianMixture


def transport_contrast(
    memory: ClusterMemory,
    fusion: Float[Tensor, "batch dim"],
    visual: Float[Tensor, "batch dim"],
    plans: TransportPlans,
    temperature: float = 0.05,
) -> Float[Tensor, ""]:
    """L_con: InfoNCE over all prototypes of each view, with the transport plan as the target.

    Args:
        memory: K clusters.
        fusion: (B, D) fusion features of any length.
        visual: (B, D) visual features of any length.
        plans: of the same pictures, noise left out.
        temperature: divides the cosines.

    Raises:
        DataError: features that are not finite.
    """
    weights = view_weights(plans.confidences)
    terms = [
        view_contrast(features, memory.prototypes[:, view], memory.valid[:, view], plans.plans[view], temperature)
        for view, features in ((FUSION, fusion), (RGB, visual), (INFRARED, visual))
    ]
    return (weights * torch.stack(terms)).sum()


def view_contrast(
    features: Float[Tensor, "batch dim"],
    prototypes: Float[Tensor, "clusters dim"],
    valid: Bool[Tensor, "clusters"],
    plan: Float[Tensor, "batch clusters"],
    temperature: float = 0.05,
) -> Float[Tensor, ""]:
    """The term of one view: the mean over the rows that the plan transports.

    Args:
        features: (B, D) of any length.
        prototypes: (K, D) of length 1.
        valid: (K,) which of them exist.
        plan: (B, K); a row of zeros is left out.
        temperature: divides the cosines.

    Raises:
        DataError: features that are not finite, or a plan of other pictures or clusters.
        RecipeError: a temperature that is not above 0.

    Example:
        >>> plan = torch.tensor([[0.8, 0.2], [0.0, 0.0]])
        >>> view_contrast(torch.eye(2), torch.eye(2), torch.tensor([True, True]), plan, temperature=1.0)
        tensor(0.5133)
    """
    check_plan(plan, len(features), len(prototypes))
    if not temperature > 0:
        raise RecipeError("temperature", found=f"{temperature:g}", expected="above 0", remedy="0.05 is the default.")
    with torch.autocast(features.device.type, enabled=False):
        rows = (plan.sum(1) > 0).nonzero()[:, 0]
        features = unit(features[rows], "features")
        if not len(rows):
            return features.sum()
        logits = features @ prototypes.detach().to(features).T / temperature
        log = logits.masked_fill(~valid, -torch.inf).log_softmax(1).masked_fill(~valid, 0)
        return -(plan[rows].detach().to(log) * log).sum() / len(rows)


def view_weights(confidences: Float[Tensor, "3 batch"]) -> Float[Tensor, "3"]:
    """beta: a view weighs the more, the more of the batch is sure in it; sums to 1, or is zeros for a batch of none.

    Args:
        confidences: (3, B) omega.

    Example:
        >>> view_weights(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).round(decimals=3)
        tensor([0.6670, 0.3330, 0.0000])
    """
    weights = confidences.detach().sum(1).log1p()
    return weights / weights.sum().where(weights.any(), 1)


def alignment(
    memory: ClusterMemory, tokens: Float[Tensor, "layers batch dim"], labels: Int[Tensor, "batch"]
) -> Float[Tensor, ""]:
    """L_align: the CLS tokens of several layers near their cluster's fusion prototype, 2 - 2 cosines each.

    Args:
        memory: K clusters.
        tokens: (L, B, D) CLS tokens of any length.
        labels: (B,) cluster of each picture, -1 for noise.

    Raises:
        DataError: tokens that are not finite, or labels outside -1 to K - 1.
    """
    check_labels(labels, len(memory))
    with torch.autocast(tokens.device.type, enabled=False):
        rows = (labels >= 0).nonzero()[:, 0]
        rows = rows[memory.valid[labels[rows], FUSION]]
        tokens = unit(tokens[:, rows], "CLS tokens")
        if not tokens.numel():
            return tokens.sum()
        prototypes = memory.prototypes[labels[rows], FUSION].detach().to(tokens)
        return (tokens - prototypes).square().sum(2).mean()


def prototype_alignment(
    memory: ClusterMemory,
    visual: Float[Tensor, "batch dim"],
    infrared: Bool[Tensor, "batch"],
    labels: Int[Tensor, "batch"],
    *,
    literal: bool = False,
) -> Float[Tensor, ""]:
    """L_proto: the visual views of a cluster near its fusion view, and the two of a child near each other.

    Args:
        memory: K clusters; children are those with a parent.
        visual: (B, D) visual features of any length.
        infrared: (B,) whether a picture is an infrared one.
        labels: (B,) cluster of each picture, -1 for noise.
        literal: the paper's form, over all prototypes of the memory in the place of the batch's means. It is constant.

    Raises:
        DataError: features that are not finite, or labels outside -1 to K - 1.
    """
    check_labels(labels, len(memory))
    is_child = (memory.parents >= 0) & memory.valid[:, RGB] & memory.valid[:, INFRARED]
    if literal:
        fusion, rgb, infrared_prototypes = memory.prototypes.unbind(1)
        with_fusion = memory.valid & memory.valid[:, FUSION, None]
        apart = (memory.prototypes - fusion[:, None]).square().sum(2)
        return (apart * with_fusion).sum() + 0.5 * ((rgb - infrared_prototypes).square().sum(1) * is_child).sum()
    with torch.autocast(visual.device.type, enabled=False):
        total = unit(visual[:0], "visual features").sum()  # 0, which a gradient can go through
        for view, other, present in ((RGB, INFRARED, ~infrared), (INFRARED, RGB, infrared)):
            clusters, means = batch_means(visual, labels.where(present, -1))
            prototypes = memory.prototypes[clusters].detach().to(means)
            comparable = memory.valid[clusters, view] & memory.valid[clusters, FUSION]
            total = total + ((means - prototypes[:, FUSION]).square().sum(1) * comparable).sum()
            across = (means - prototypes[:, other]).square().sum(1)
            total = total + 0.25 * (across * is_child[clusters]).sum()
        return total


def density_loss(
    mixture: GaussianMixture, fusion: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]
) -> Float[Tensor, ""]:
    """L_Den: the batch's fusion means where the mixture is dense.

    The paper's form is ``mixture(memory.prototypes[:, FUSION])``, which is constant. The mixture follows with
    ``mixture.update(means)`` after the step.

    Args:
        mixture: g, which has begun.
        fusion: (B, D) fusion features of any length.
        labels: (B,) cluster of each picture, -1 for noise.

    Raises:
        DataError: features that are not finite.
        ContractError: the mixture has not begun.
    """
    return mixture(batch_means(fusion, labels)[1])


def density_weight(step: int, steps: int, weight: float = 0.05, ramp: float = 0.2) -> float:
    """The weight of L_Den at a step of the run: it rises from 0 over the first part of all steps.

    Args:
        step: the number of steps before it.
        steps: of the whole run.
        weight: at the end.
        ramp: share of the steps over which it rises.

    Example:
        >>> density_weight(150, 1000), density_weight(900, 1000)
        (0.037500000000000006, 0.05)
    """
    rise = ramp * steps
    return weight * (min(1.0, step / rise) if rise else 1.0)


def batch_means(
    features: Float[Tensor, "batch dim"], labels: Int[Tensor, "batch"]
) -> tuple[Int[Tensor, "clusters"], Float[Tensor, "clusters dim"]]:
    """The clusters in a batch, ascending, and the mean of each one's unit features, to length 1, with gradient.

    Args:
        features: (B, D) of any length.
        labels: (B,) cluster of each row; rows of -1 are left out, and a cluster whose features point nowhere too.

    Raises:
        DataError: features that are not finite.

    Example:
        >>> batch_means(torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 1.0]]), torch.tensor([4, 1, -1]))
        (tensor([1, 4]), tensor([[0., 1.],
                [1., 0.]]))
    """
    with torch.autocast(features.device.type, enabled=False):
        rows = (labels >= 0).nonzero()[:, 0]
        clusters, group = labels[rows].unique(return_inverse=True)
        members = unit(features[rows], "features")
        means = unit(members.new_zeros(len(clusters), features.shape[1]).index_add(0, group, members), "means")
        exists = means.detach().any(1).nonzero()[:, 0]
        return clusters[exists], means[exists]
