"""A server of a service that watches no file, for tests of the server alone."""

from __future__ import annotations

from pathlib import Path

from leasewatch.api.answers import Answers
from leasewatch.api.feed import Feed
from leasewatch.api.interface import NAME
from leasewatch.api.methods import LeaseWatch
from leasewatch.api.peers import Peers
from leasewatch.api.records import Records
from leasewatch.api.server import VarlinkServer
from leasewatch.api.turns import Turns
from leasewatch.api.waits import Waits
from leasewatch.history.reader import HistoryReader
from leasewatch.hosttable.table import Follower
from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.lease_files import LeaseFiles
from leasewatch.names.policy import NamePolicy, Rules


def server(
    path: Path, answers: Answers, history: HistoryReader, peers: Peers, generation: int = 0
) -> VarlinkServer:
    """A server at `path`; nothing ever happens."""
    followers: list[Follower] = []
    turns = Turns()
    feed = Feed(NamePolicy(Rules()), followers, LeaseFiles(FirstSeen()), turns)
    waits = Waits(answers, followers)
    records = Records(NamePolicy(Rules()), [], turns)
    methods = LeaseWatch(answers, feed, records, waits, history, lambda: generation)
    made = VarlinkServer(path, peers, turns)
    made.offer(NAME, methods)
    return made
