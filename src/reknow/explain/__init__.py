"""Explain: which patches a method selects in a picture, and whether they lie on the object.

- ``run.py``: a run, explained: the network that it started from, and the trained one;
- ``observations.py``: which observations are looked at, and what the networks select in them;
- ``explanation.py``: what was selected, as panels, words and numbers, whatever the method;
- ``sheet.py``: the same as one picture;
- ``panels.py``, ``drawing.py``: marks and lines over patches; pen and paper;
- ``patches.py``: where in a picture a patch lies;
- ``truth.py``: which patches lie on the object, where that is known;
- ``measures.py``: precision and recall of what was selected.

No method is known here by name; :mod:`reknow.methods.selected` is what they say of themselves.
"""
