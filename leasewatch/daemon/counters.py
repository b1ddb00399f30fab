"""What the service has done since it started, for `leasewatch admin status` and metrics.

One struct of plain numbers: counting is `counters.publishes += 1`, in the event loop. The string
beside a field's type is its comment in the Varlink interface and its help text in metrics.
"""

from __future__ import annotations

from typing import Annotated

import msgspec


class Counters(msgspec.Struct, kw_only=True):
    """What the service has done since it started. Every number only grows."""

    publishes: Annotated[int, "host tables published"] = 0
    publish_failures: Annotated[int, "host tables that could not be published"] = 0
    publish_seconds: Annotated[float, "time spent on publishing host tables"] = 0.0
    publish_longest: Annotated[float, "the longest time that one host table took, in seconds"] = 0.0
    parses: Annotated[int, "lease files read and parsed"] = 0
    parse_failures: Annotated[int, "lease files that could not be read"] = 0
    parse_seconds: Annotated[float, "time spent on reading and parsing lease files"] = 0.0
    parse_longest: Annotated[float, "the longest time that one lease file took, in seconds"] = 0.0
    claims_refused: Annotated[int, "claims to a name that were refused"] = 0
    claims_in_conflict: Annotated[int, "claims to a name that another machine has"] = 0
    history_dropped: Annotated[int, "changes that the history could not write in time"] = 0
    lookups_waited: Annotated[int, "lookups that waited for a domain's first address"] = 0
    connections: Annotated[int, "connections accepted"] = 0
    connections_refused: Annotated[int, "connections refused, as their user had its share"] = 0
    connections_cut_off: Annotated[int, "connections ended, as others needed the place"] = 0
    connections_disconnected: Annotated[int, "connections ended by Disconnect"] = 0
    peers_faulty: Annotated[int, "connections ended: the peer was slow or sent nonsense"] = 0
    calls: Annotated[int, "calls received"] = 0
    waits: Annotated[int, "calls of Wait"] = 0
    watches: Annotated[int, "calls of Monitor and Records"] = 0
    waits_refused: Annotated[int, "calls of Wait, Monitor or Records refused, by the limits"] = 0
    watchers_cut_off: Annotated[int, "watchers cut off, as they did not read"] = 0
    events: Annotated[int, "events handed to watchers"] = 0
    events_dropped: Annotated[int, "events that a watcher missed when it was cut off"] = 0
