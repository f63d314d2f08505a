"""Pictures in the page: proportions kept, budget kept."""

from __future__ import annotations

import base64
import io

from PIL import Image

from reknow.report.thumbnails import LONGEST, thumbnails


def decode(thumbnail) -> Image.Image:
    head, body = thumbnail.address.split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_small_pictures_keep_their_size_large_ones_their_proportions(picture):
    small, large = thumbnails([picture(0, 64, 32), picture(1, 400, 100)])
    assert (small.width, small.height) == (32, 64) == decode(small).size
    assert (large.width, large.height) == (LONGEST // 4, LONGEST) == decode(large).size


def test_a_budget_makes_them_smaller_all_alike(picture):
    pictures = [picture(seed, 200, 100) for seed in range(4)]
    free, bound = thumbnails(pictures), thumbnails(pictures, budget=20_000)
    assert sum(len(one.address) for one in bound) <= 20_000 < sum(len(one.address) for one in free)
    assert len({one.height for one in bound}) == 1


def test_no_pictures_no_thumbnails():
    assert thumbnails([]) == []
