"""FIRM (Rong et al., "Fusion-Injected Residual Memory for Unsupervised Visible-Infrared Person Re-Identification",
ACML 2025): clusters that are common to visible and infrared pictures, in a memory that changes its clusters.

- ``memory.py``: the evolving multi-view memory by one name; its parts are ``cluster_memory.py`` (prototypes of three
  views), ``confidence.py`` (transport, gate, update) and ``evolution.py`` (merge, split, retire);
- ``losses.py``: what a step learns by; ``mixture.py`` is the density that one of them reads.
"""
