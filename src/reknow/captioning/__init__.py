"""Captioning: sentences about pictures, by networks of other projects, into a file of captions.

What FIRM reads beside pictures (section 3.2.1 of Rong et al., "Fusion-Injected Residual Memory", ACML 2025) is made
here before training, from weights on this machine; nothing is downloaded.

- ``captioner.py``: the contract of a captioner;
- ``blip.py``: BLIP, and ``paraphraser.py``: a language model that says the same in other words;
- ``template.py``: attributes that CLIP finds, in fixed sentences;
- ``pretrained.py``: models of the package transformers, read from a folder;
- ``carry_out.py``: every picture of a data set, in a run that may be stopped and goes on.
"""

from reknow.captioning.captioner import Captioner, Shown
from reknow.captioning.carry_out import Outcome, caption_pictures

__all__ = ["Captioner", "Outcome", "Shown", "caption_pictures"]
