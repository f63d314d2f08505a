"""Explain: which patches a method selects in a picture, what its network attends to, and whether it is the object.

- ``run.py``: networks before and after training select patches in the same observations;
- ``explanation.py``: the result, in words and numbers, whatever the method;
- ``panels.py``: the result of one observation as pictures;
- ``attention.py``: what the networks of one run or two attend to in the same observations;
- ``attention_maps.py``: the maps of a network, by rollout or by class activation;
- ``attention_explanation.py``, ``attention_panels.py``: the result in words and numbers, and as pictures;
- ``sample.py``: the observations that are explained;
- ``sheet.py``: several observations as one PNG;
- ``drawing.py``: lines, frames and marks;
- ``colors.py``: the named colors of sheets, plots and the report;
- ``patches.py``: where a patch lies, and how much of it is on the object, where the true mask is known;
- ``precision_recall.py``: precision and recall of what was selected.

No method is known here by name; :mod:`reknow.methods.selected` is how a method names what it selects.
"""
