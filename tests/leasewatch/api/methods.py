"""The methods of a service that watches no file, for tests of the server alone."""

from __future__ import annotations

from leasewatch.api.answers import Answers
from leasewatch.api.feed import Feed
from leasewatch.api.methods import LeaseWatch
from leasewatch.api.waits import Waits
from leasewatch.history.reader import HistoryReader
from leasewatch.hosttable.table import Follower
from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.lease_files import LeaseFiles
from leasewatch.names.policy import NamePolicy, Rules


def methods(answers: Answers, history: HistoryReader, generation: int = 0) -> LeaseWatch:
    """What a server offers; nothing ever happens."""
    followers: list[Follower] = []
    feed = Feed(NamePolicy(Rules()), followers, LeaseFiles(FirstSeen()))
    return LeaseWatch(answers, feed, Waits(answers, followers), history, lambda: generation)
