"""`leasewatch top`: networks, their guests and what happens, live on a terminal.

In: the service's `Monitor` and `Sources`, keys. Out: a drawn screen; the terminal as it was.

- `state` is what the service said and `view` what the user chose; `drawing` makes lines of both.
  These three are pure: events and keys go in, the clock is an argument.
- `link` keeps the state like the service's, and reconnects after a loss. `terminal` puts the
  terminal into its mode and back. `loop` runs them; `command` is the help.
- rich is imported here alone. A guest's strings become `Text`, never markup.
"""
