"""The same picture as query and in the gallery: it finds itself, which says nothing, so it is not ranked.

Cameras and scenes keep near-duplicates apart where they are known: the protocol removes gallery rows of the query's own
identity and group. Where a row's group is not known, a picture that stands on both sides gets a group of its own, and
the same rule removes it. So neither its rank nor its match counts; for all other queries it stays in the gallery.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from reknow.data.embeddings import Embeddings
from reknow.data.manifest import encode
from reknow.evaluation.protocols import EvaluationRows
from reknow.observation import SPECTRA


def without_themselves(rows: EvaluationRows, query: Embeddings, gallery: Embeddings) -> EvaluationRows:
    """The rows of a protocol, where no query finds its own picture.

    Args:
        rows: codes of these queries and this gallery.
        query, gallery: their pictures are compared by pixels where these are known on both sides, else by reference.
    """
    asking, answering = _pictures(query, gallery)
    both = np.intersect1d(asking, answering)
    if not len(both):
        return rows
    in_query, in_gallery = np.isin(asking, both), np.isin(answering, both)
    # Beyond every group that there is, so that none of the data's own is touched.
    beyond = 1 + max(rows.query_group.max(), rows.gallery_group.max())
    alone_in_query, alone_in_gallery = in_query & (rows.query_group < 0), in_gallery & (rows.gallery_group < 0)
    query_group, gallery_group = rows.query_group.copy(), rows.gallery_group.copy()
    query_group[alone_in_query] = beyond + np.searchsorted(both, asking[alone_in_query])
    gallery_group[alone_in_gallery] = beyond + np.searchsorted(both, answering[alone_in_gallery])
    row = int(in_query.argmax())
    note = (
        f"{int(in_query.sum())} of {len(asking)} queries stand in the gallery as well, as the same picture (for "
        f"example {query.manifest.column('observation')[row]}); no query is matched with itself."
    )
    return replace(rows, query_group=query_group, gallery_group=gallery_group, notes=(*rows.notes, note))


def _pictures(query: Embeddings, gallery: Embeddings) -> tuple[Int64[np.ndarray, "queries"], Int64[np.ndarray, "rows"]]:
    """What is equal where pictures are."""
    if query.pixels is not None and gallery.pixels is not None:
        return query.pixels, gallery.pixels
    names = []
    for manifest in (query.manifest, gallery.manifest):
        columns = [manifest.column(column) for column in (*SPECTRA, "crop")]
        names += [repr((str(manifest.root), *cells)) for cells in zip(*columns, strict=True)]
    codes, _ = encode(names)
    return codes[: len(query)], codes[len(query) :]
