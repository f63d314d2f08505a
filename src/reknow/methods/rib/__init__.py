"""RIB (Wang et al., arXiv 2505.08961): attention kept to what identifies.

- ``method.py``: the losses of a step, the pass of an epoch, the information that is logged;
- ``bottleneck.py``, ``channel_selection.py``: the two parts by the names of the paper; other methods can use them, so
  they stand in ``losses`` and ``models``;
- ``recipes.py``: whole runs.
"""
