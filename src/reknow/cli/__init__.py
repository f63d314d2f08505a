"""The command line: parse, call, print. What a command does lives in the room that it calls.

Errors of the user's making end with one line on standard error and exit code 2; an interrupted run with 130. What a
terminal's encoding cannot show is printed as its code; a reader that leaves a pipe early ends a command without a word.
With ``--json`` standard output holds one JSON object and nothing else. A command imports what it needs when it is
called, so that ``--help`` does not wait for torch.
"""

from __future__ import annotations

from reknow.cli.commands import COMMANDS, DATA_COMMANDS, EXPLAIN_COMMANDS, main

__all__ = ["COMMANDS", "DATA_COMMANDS", "EXPLAIN_COMMANDS", "main"]
