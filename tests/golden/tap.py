"""Runs `tahoe` with a tap on its listening side: every byte of application data, after TLS was taken off, goes to a log.

    python tap.py LOG run NODEDIR

LOG gets one JSON object a line: {"at": seconds, "conn": n, "event": "data"|"close", "dir": ">"|"<", "layer":
"plain"|"tls", "bytes": base64}. ">" is from whoever connected to whoever listens. Only connections that others opened to
this process are tapped. Used by `record`; nothing of the tapped program is changed but the two methods that carry data.
"""

import base64
import json
import sys
import time

from foolscap.negotiate import Negotiation
from twisted.internet import _newtls, tcp
from twisted.protocols import tls
from twisted.protocols.policies import ProtocolWrapper


class Log:
    def __init__(self, path):
        self.file = open(path, "a", buffering=1)
        self.ids = {}
        self.kept = []  # Keeps transports alive, so that an id() is never used twice.

    def connection(self, transport):
        transport = getattr(transport, "_connection", transport)
        if not isinstance(transport, tcp.Server):
            return None
        if id(transport) not in self.ids:
            self.ids[id(transport)] = len(self.ids) + 1
            self.kept.append(transport)
        return self.ids[id(transport)]

    def data(self, transport, direction, layer, data):
        conn = self.connection(transport)
        if conn is not None and data:
            self.write(conn, event="data", dir=direction, layer=layer, bytes=base64.b64encode(data).decode())

    def closed(self, transport):
        conn = self.connection(transport)
        if conn is not None:
            self.write(conn, event="close")

    def write(self, conn, **fields):
        self.file.write(json.dumps(dict(at=time.time(), conn=conn, **fields)) + "\n")


def install(log):
    wrapped_received = ProtocolWrapper.dataReceived
    tls_write = tls.TLSMemoryBIOProtocol.write
    tls_lost = tls.TLSMemoryBIOProtocol.connectionLost
    negotiation_received = Negotiation.dataReceived
    negotiation_lost = Negotiation.connectionLost
    plain_write = _newtls.ConnectionMixin.write

    def received(self, data):
        if isinstance(self, tls.TLSMemoryBIOProtocol):
            log.data(self.transport, ">", "tls", data)
        return wrapped_received(self, data)

    def write(self, data):
        log.data(self.transport, "<", "tls", data)
        return tls_write(self, data)

    def lost(self, reason):
        log.closed(self.transport)
        return tls_lost(self, reason)

    def negotiation(self, chunk):
        if self.receive_phase == 0:
            log.data(self.transport, ">", "plain", chunk)
        return negotiation_received(self, chunk)

    def negotiation_closed(self, reason):
        if not getattr(self.transport, "TLS", False):
            log.closed(self.transport)
        return negotiation_lost(self, reason)

    def plain(self, data):
        if not self.TLS and isinstance(self.protocol, Negotiation):
            log.data(self, "<", "plain", data)
        return plain_write(self, data)

    ProtocolWrapper.dataReceived = received
    tls.TLSMemoryBIOProtocol.write = write
    tls.TLSMemoryBIOProtocol.connectionLost = lost
    Negotiation.dataReceived = negotiation
    Negotiation.connectionLost = negotiation_closed
    _newtls.ConnectionMixin.write = plain


if __name__ == "__main__":
    install(Log(sys.argv[1]))
    sys.argv = ["tahoe", *sys.argv[2:]]
    from allmydata.scripts.runner import run
    sys.exit(run())
