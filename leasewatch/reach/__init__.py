"""Waiting from outside the service, for commands: until a name has an address, or a port answers.

In: a name, what to wait for, a deadline. Out: the addresses, or a connected socket; TimedOutError
with what was seen last.

- `addresses` asks the service (its method `Wait`), a second at a time: no lease is missed in
  between, a service that restarts does no harm, and the caller can show what is seen meanwhile.
- `ports` connects itself. The service never does that for anybody.
- `guests` says what is known of a guest without an address, from run states and the kernel.

Nothing here imports what costs start-up time: no socket, json or msgspec.
"""
