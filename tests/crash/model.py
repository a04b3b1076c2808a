"""What a server may hold, as far as its clients know: for each thing its last acknowledged state, and those that a call
without an answer may have made. Each index belongs to one client thread, so nothing here is locked."""

import dataclasses
import hashlib

OVERHEAD = 512  # bytes that each share counts besides its data


def lease_hash(renew):
    """As it lies in the database."""
    return hashlib.blake2b(renew, digest_size=32).digest()


@dataclasses.dataclass
class Leases:
    acknowledged: set = dataclasses.field(default_factory=set)
    maybe: set = dataclasses.field(default_factory=set)


class Index:
    """One storage index: immutable shares, or a slot."""

    def __init__(self, si, is_slot):
        self.si, self.is_slot = si, is_slot
        self.shares = {}  # number: bytes, acknowledged
        self.maybe = []   # whole states that an unanswered call may have made; of immutables, one share each
        self.leases = {}  # number: Leases

    def lease(self, number):
        return self.leases.setdefault(number, Leases())

    def allows(self, seen):
        """Why this state (number: bytes) may not be; None if it may."""
        if self.is_slot:
            if seen == self.shares or seen in self.maybe:
                return None
            return f"slot {self.si}: {brief(seen)} seen, {brief(self.shares)} acknowledged, {len(self.maybe)} unanswered"
        for number, content in self.shares.items():
            if number not in seen:
                return f"share {self.si}/{number}: lost, was acknowledged"
            if seen[number] != content:
                return f"share {self.si}/{number}: other bytes than were acknowledged"
        for number, content in seen.items():
            if number not in self.shares and {number: content} not in self.maybe:
                return f"share {self.si}/{number}: {len(content)} bytes that nobody stored"
        return None

    def settle(self, seen):
        self.shares, self.maybe = dict(seen), []
        self.leases = {n: l for n, l in self.leases.items() if n in seen}

    def check_leases(self, found):
        """`found`: number: set of hashes, of the shares that are there. Returns what is wrong, and knows more afterwards."""
        wrong = []
        for number, hashes in found.items():
            leases = self.lease(number)
            if missing := leases.acknowledged - hashes:
                wrong.append(f"share {self.si}/{number}: {len(missing)} acknowledged leases lost")
            if strange := hashes - leases.acknowledged - leases.maybe:
                wrong.append(f"share {self.si}/{number}: {len(strange)} leases that nobody made")
            leases.acknowledged, leases.maybe = set(hashes), set()
        return wrong

    def used(self):
        return sum(len(content) + OVERHEAD for content in self.shares.values())


def brief(shares):
    return "{" + ", ".join(f"{n}: {len(c)} bytes" for n, c in sorted(shares.items())) + "}"
