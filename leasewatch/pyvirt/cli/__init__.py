"""The commands of `pyvirt`: words in, words out.

In: arguments, checked for their form. Out: calls of `networks` and `domains`, one line per result.

- A command that changes the host needs root and says so, with the line to type.
- Progress and warnings go to stderr (`halves.say`), results to stdout.
- Commands on one name exclude each other; the loser waits and then says for whom.
"""
