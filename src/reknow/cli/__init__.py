"""The command line: parse, call, print. What a command does lives in the room that it calls.

Errors of the user's making end with one line on standard error and exit code 2; where the command line itself cannot be
parsed, a box names the option. An interrupted run ends with 130. What a terminal's encoding cannot show is printed as
its code. If a pipe is closed early, the command ends silently.
With ``--json`` standard output holds one JSON object and nothing else. A command imports what it needs when it is
called, so that ``--help`` does not wait for torch.
"""

from __future__ import annotations

from reknow.cli.commands import COMMANDS, DATA_COMMANDS, EXPLAIN_COMMANDS, main

__all__ = ["COMMANDS", "DATA_COMMANDS", "EXPLAIN_COMMANDS", "main"]
