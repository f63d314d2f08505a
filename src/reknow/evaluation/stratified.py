"""A share of a population from a stratified sample: the weighted mean of the strata's shares, and its interval.

The estimate is Horvitz and Thompson's (1952): each stratum's observed share counts by the stratum's part of the
population. The 95 % interval holds every share that a score test does not reject, as Wilson's (1927) does, which it is
with one stratum. To test a share, the strata's own shares are those of maximum likelihood among all that have this
weighted mean, and the variance is computed with them. Decided, because two usual intervals fail where almost every
answer is yes: the normal one then has no width, and one from the sample's own variance takes three equal answers in a
stratum for certainty.

Simulated with 50 observations in one to six strata and shares from 0.02 to 1, it contains the share in 92 to 96 % of
the samples (:func:`stratified_share` is tested so). Strata are sampled without replacement: one whose every member was
observed is known and adds no width.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri

from reknow.errors import EvaluationError
from reknow.evaluation.intervals import Interval

_QUANTILE = float(ndtri(0.975))  # of the normal distribution, for 95 %
_HALVINGS = 30  # of the bracket around an end, which is then known to nine digits
_TINY = 1e-300


def stratified_share(
    population: Int[np.ndarray, "strata"], sampled: Int[np.ndarray, "strata"], positive: Int[np.ndarray, "strata"]
) -> Interval:
    """The share of positives in a population, with its 95 % interval.

    Args:
        population: (S,) members of each stratum.
        sampled: (S,) how many of them were observed, at least one of each.
        positive: (S,) how many of these are positive.

    Raises:
        EvaluationError: no stratum, one without an observation, or counts that contradict each other.

    Example:
        >>> share = stratified_share(np.array([10_000]), np.array([50]), np.array([43]))
        >>> print(f"{share.mean:.2f}, {share.low:.2f} to {share.high:.2f}")
        0.86, 0.74 to 0.93
    """
    ordered = (positive >= 0) & (positive <= sampled) & (sampled >= 1) & (sampled <= population)
    if not len(population) or not ordered.all():
        raise EvaluationError(
            "stratified share",
            found=f"{positive.tolist()} positive of {sampled.tolist()} sampled of {population.tolist()}",
            expected="one stratum or more, each with 0 <= positive <= sampled <= population and a sample of 1 or more",
            remedy="Correct the counts; leave out a stratum without a sample.",
        )
    weight, share = population / population.sum(), positive / sampled
    mean, known = float(weight @ share), sampled == population
    if known.all():
        return Interval(mean, mean, mean)
    # A sample without replacement says as much as so many draws with replacement.
    draws = np.where(known, 1.0, sampled * (population - 1) / np.maximum(population - sampled, 1))
    low, high = (_last_accepted(weight, share, draws, known, direction) for direction in (1.0, -1.0))
    return Interval(min(low, mean), max(high, mean), mean)


def _last_accepted(
    weight: Float[np.ndarray, "strata"],
    share: Float[np.ndarray, "strata"],
    draws: Float[np.ndarray, "strata"],
    known: Bool[np.ndarray, "strata"],
    direction: float,
) -> float:
    """The last share that the test accepts on the way from the observed one down (1) or up (-1).

    The way is measured by the Lagrange multiplier that binds the strata's shares to their weighted mean: at zero they
    are as observed, and they move further the larger it is.
    """
    observed = float(weight @ share)

    def tested(multiplier: float) -> tuple[float, bool]:
        shares = np.where(known, share, _bound_shares(share, draws, direction * multiplier * weight))
        mean = float(weight @ shares)
        variance = float((weight**2 * shares * (1 - shares) / draws)[~known].sum())
        return mean, (observed - mean) ** 2 <= _QUANTILE**2 * variance

    accepted, rejected = 0.0, float(draws.sum())
    for _ in range(_HALVINGS):  # none is rejected on the way up where every answer is yes
        if not tested(rejected)[1]:
            break
        accepted, rejected = rejected, 2 * rejected
    for _ in range(_HALVINGS):
        middle = (accepted + rejected) / 2
        accepted, rejected = (middle, rejected) if tested(middle)[1] else (accepted, middle)
    return tested(accepted)[0]


def _bound_shares(
    share: Float[np.ndarray, "strata"], draws: Float[np.ndarray, "strata"], slope: Float[np.ndarray, "strata"]
) -> Float[np.ndarray, "strata"]:
    """(S,) the p that maximize ``draws * (share * log p + (1 - share) * log(1 - p)) - slope * p``.

    They solve ``slope * p**2 - (draws + slope) * p + share * draws = 0``; of two forms of the root, the one that does
    not subtract equal numbers is taken.
    """
    middle = draws + slope
    root = np.sqrt(np.maximum(middle**2 - 4 * slope * share * draws, 0))
    falling = 2 * share * draws / np.maximum(middle + root, _TINY)
    rising = (middle - root) / np.where(slope == 0, 1.0, 2 * slope)
    return np.clip(np.where(middle > 0, falling, rising), 0.0, 1.0)
