"""foolscap_calls.py FURL PREFIX < CALLS: makes the calls of random_calls.py one after the other by the real foolscap, and
writes a list of their answers, each as a line that can be compared. Input and output are Python literals."""

import ast
import base64
import sys

import allmydata.interfaces  # noqa: F401  the remote interfaces register themselves
import gbs
from foolscap.api import Referenceable, RemoteException, Tub
from gbs_probe import describe
from random_calls import secret
from twisted.internet import defer, task


class Caller:
    def __init__(self, server, prefix):
        self.server, self.prefix = server, prefix
        self.writers = {}
        self.canary = Referenceable()

    def si(self, name):
        text = gbs.storage_index(f"{self.prefix}/{name}").upper()
        return base64.b32decode(text + "=" * (-len(text) % 8))

    def run(self, name, *args):
        """A Deferred of one call's answer; something else where there is nothing to call."""
        call = self.server.callRemote
        match name.removesuffix(" other"):
            case "allocate":
                index, shares, size, lease, _ = args
                made = call("allocate_buckets", self.si(index), secret("r", lease), secret("c", lease), set(shares), size,
                            self.canary)
                return made.addCallback(self.keep_writers, index)
            case "write":
                index, share, offset, data, _ = args
                return self.to_writer(index, share, "write", offset, data)
            case "finish":
                return self.to_writer(args[0], args[1], "close")
            case "abort":
                return self.to_writer(args[0], args[1], "abort")
            case "read":
                index, share, offset, length = args
                return call("get_buckets", self.si(index)).addCallback(
                    lambda readers: readers[share].callRemote("read", offset, length) if share in readers else "no share")
            case "read slot":
                index, share, offset, length = args
                return call("slot_readv", self.si(index), [share] if share else [], [(offset, length)])
            case "list":
                return call("get_buckets", self.si(args[0])).addCallback(lambda readers: sorted(readers))
            case "list slot":
                return call("slot_readv", self.si(args[0]), [], [(0, 1)])
            case "lease":
                return call("add_lease", self.si(args[0]), secret("r", args[1]), secret("c", args[1]))
            case "corrupt":
                kind, index, share, reason = args
                return call("advise_corrupt_share", kind.encode(), self.si(index), share, reason.encode())
            case "slot":
                index, vectors, reads, enabler, lease = args
                tw = {share: ([(o, n, b"eq", s) for o, n, s in tests], writes, new)
                      for share, (tests, writes, new) in vectors.items()}
                return call("slot_testv_and_readv_and_writev", self.si(index),
                            (secret("w", enabler), secret("r", lease), secret("c", lease)), tw, reads)

    def keep_writers(self, answer, index):
        already, writers = answer
        self.writers.update({(index, share): writer for share, writer in writers.items()})
        return sorted(already), sorted(writers)

    def to_writer(self, index, share, method, *args):
        """To the writer last given for the share, whether it is finished or not."""
        writer = self.writers.get((index, share))
        return writer.callRemote(method, *args) if writer else "no writer"


def error_of(failure):
    """The name of the error that the server sent."""
    if failure.check(RemoteException):
        failure = failure.value.failure
    # Foolscap makes a class of that name; its qualified name would be that of foolscap's own function.
    kind = failure.type
    return "error " + (kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__name__}")


@defer.inlineCallbacks
def main(reactor, furl, prefix):
    tub = Tub()
    tub.startService()
    caller = Caller((yield tub.getReference(furl)), prefix)
    answers = []
    for call in ast.literal_eval(sys.stdin.read()):
        answers.append((yield defer.maybeDeferred(caller.run, *call).addCallbacks(describe, error_of)))
    print(answers)
    yield tub.stopService()


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
