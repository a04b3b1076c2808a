"""From the raw log of `tap.py` to golden text (docs/formats/golden.md): HTTP exchanges, Foolscap blocks and tokens.

The text is checked as it is made: whatever is written is turned into bytes again and compared with what was seen.
"""

import base64
import json
import pathlib
import re

VOCAB = ("none boolean reference dict list tuple set immutable-set unicode set-vocab add-vocab call arguments answer error "
         "my-reference your-reference their-reference copyable instance module class method function attrdict").split()

TOKENS = {0x81: "int", 0x82: "string", 0x83: "neg", 0x84: "float", 0x85: "longint", 0x86: "longneg", 0x87: "vocab",
          0x88: "open", 0x89: "close", 0x8A: "abort", 0x8D: "error", 0x8E: "ping", 0x8F: "pong"}
HERE = str(pathlib.Path(__file__).resolve().parents[2]).encode()  # stands in tracebacks, and is nobody's business
TYPES = {name: byte for byte, name in TOKENS.items()}


def load(path, first=0, last=None):
    """The tap's events, from the first to before the last line; bytes decoded."""
    events = []
    for line in open(path).read().splitlines()[first:last]:
        event = json.loads(line)
        if "bytes" in event:
            event["bytes"] = base64.b64decode(event["bytes"])
        events.append(event)
    return events


def pattern(offset, length):
    """The bytes that stand for a share's content where a golden file leaves it out."""
    return bytes((p ^ p >> 8 ^ p >> 16) & 0xFF for p in range(offset, offset + length))


# --- byte strings

def quote(data):
    """Bytes as "text" where most of it is printable, else as base64:..."""
    plain = sum(0x20 <= b < 0x7F for b in data)
    if len(data) > 0 and plain * 4 < len(data) * 3:
        return "base64:" + base64.b64encode(data).decode()
    names = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r"}
    return '"' + "".join(names.get(b) or (chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}") for b in data) + '"'


def unquote(text):
    if text.startswith("base64:"):
        return base64.b64decode(text[7:])
    names = {"n": b"\n", "r": b"\r", '"': b'"', "\\": b"\\"}
    assert text[0] == text[-1] == '"'
    return b"".join(names[m[2]] if m[2] else bytes([int(m[3], 16)]) if m[3] else m[1].encode()
                    for m in re.finditer(r'([^\\])|\\(?:([nr"\\])|x(..))', text[1:-1]))


# --- Foolscap

class Incomplete(Exception):
    pass


class NotTokens(Exception):
    pass


def read_token(data, at):
    """One Banana token: (name, number, body, next position)."""
    end = at
    while True:
        if end == len(data):
            raise Incomplete
        if data[end] >= 0x80:
            break
        end += 1
        if end - at > 64:
            raise NotTokens
    number = sum(b << (7 * i) for i, b in enumerate(data[at:end]))
    name = TOKENS.get(data[end])
    if name is None:
        raise NotTokens
    length = number if name in ("string", "longint", "longneg", "error") else 8 if name == "float" else 0
    if end + 1 + length > len(data):
        raise Incomplete
    return name, number, data[end + 1:end + 1 + length], end + 1 + length


def number_bytes(number):
    """A token's header as foolscap writes it: the fewest bytes, least significant first, but one byte for zero."""
    out = bytearray([number & 0x7F])
    while number := number >> 7:
        out.append(number & 0x7F)
    return bytes(out)


def token_text(name, number, body):
    if name in ("string", "error"):
        return f"{name}:{quote(body)}"
    if name in ("longint", "longneg"):
        return f"{name}:{int.from_bytes(body, 'big')}"
    if name == "float":
        return f"float:{body.hex()}"
    if name == "vocab" and number < len(VOCAB):
        return f"vocab:{number}:{VOCAB[number]}"
    return f"{name}:{number}"


def token_bytes(text):
    name, _, value = text.partition(":")
    if name in ("string", "error"):
        body = unquote(value)
        return number_bytes(len(body)) + bytes([TYPES[name]]) + body
    if name in ("longint", "longneg"):
        n = int(value)
        body = n.to_bytes((n.bit_length() + 7) // 8, "big")
        return number_bytes(len(body)) + bytes([TYPES[name]]) + body
    if name == "float":
        return bytes([TYPES[name]]) + bytes.fromhex(value)
    number = int(value.split(":")[0])
    header = b"" if name in ("ping", "pong") and number == 0 else number_bytes(number)
    return header + bytes([TYPES[name]])


def read_message(data):
    """The tokens of one top-level sequence (or one single token) at the start of data: (texts, length)."""
    at, depth, texts = 0, 0, []
    while True:
        name, number, body, next_at = read_token(data, at)
        text = token_text(name, number, body)
        if token_bytes(text) != data[at:next_at]:
            raise NotTokens
        texts.append(token_text(name, number, body.replace(HERE, b"/somewhere")))
        at = next_at
        depth += {"open": 1, "close": -1}.get(name, 0)
        if depth <= 0:
            return texts, at


class FoolscapHalf:
    """What one side of one connection sent: text blocks, and then Banana."""

    def __init__(self, label):
        self.label = label
        self.data = b""
        self.layer = None
        self.banana = False

    def feed(self, layer, data):
        """Yields the lines that became complete with these bytes."""
        if layer != self.layer:
            yield from self.rest()
            self.layer = layer
        self.data += data
        while self.data:
            if not self.banana and self.layer == "tls" and self.data[0] < 0x80 and not looks_like_text(self.data):
                self.banana = True
            if not self.banana and self.data[0] >= 0x80:
                self.banana = True
            if not self.banana:
                block, end, rest = self.data.partition(b"\r\n\r\n")
                if not end:
                    return
                self.data = rest
                for line in block.split(b"\r\n"):
                    yield f"{self.label} line {quote(line)}"
                yield f"{self.label} line \"\""
                continue
            try:
                texts, length = read_message(self.data)
            except Incomplete:
                return
            except NotTokens:
                yield from self.rest()
                return
            self.data = self.data[length:]
            yield f"{self.label} tokens " + " ".join(texts)

    def rest(self):
        """Whatever was sent and is neither a whole block nor a whole message."""
        if self.data:
            yield f"{self.label} raw {quote(self.data)}"
        self.data = b""


def looks_like_text(data):
    """A negotiation block begins with a word and a colon; a Banana message begins with OPEN, a byte of 0x88."""
    return re.match(rb"[a-zA-Z-]{4}", data) is not None


def foolscap_lines(events):
    """Golden lines of the tapped Foolscap connections, numbered from 1 in the order of their first byte."""
    numbers, halves, layers, lines = {}, {}, {}, []
    for event in events:
        conn = event["conn"]
        if conn not in numbers:
            numbers[conn] = len(numbers) + 1
            lines.append(f"{numbers[conn]} connect")
        n = numbers[conn]
        if event["event"] == "close":
            for d in "><":
                lines += halves.setdefault((n, d), FoolscapHalf(f"{n}{d}")).rest()
            lines.append(f"{n} close")
            continue
        half = halves.setdefault((n, event["dir"]), FoolscapHalf(f"{n}{event['dir']}"))
        if event["layer"] == "tls" and layers.get(n) != "tls":
            layers[n] = "tls"
            lines += [l for d in "><" for l in halves.setdefault((n, d), FoolscapHalf(f"{n}{d}")).rest()]
            lines.append(f"{n} tls")
        lines += half.feed(event["layer"], event["bytes"])
    for half in halves.values():
        lines += half.rest()
    return lines


# --- HTTP

def split_message(data):
    """One HTTP message at the start of data: (head lines, [body pieces], chunked, length), or None while incomplete."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.split(b"\r\n")
    fields = {k.strip().lower(): v.strip() for k, _, v in (l.partition(b":") for l in lines[1:])}
    at = len(head) + 4
    if fields.get(b"transfer-encoding") == b"chunked":
        pieces = []
        while True:
            size, end, _ = data[at:].partition(b"\r\n")
            if not end:
                return None
            length = int(size, 16)
            if len(data) < at + len(size) + 2 + length + 2:
                return None
            at += len(size) + 2
            if length:
                pieces.append(data[at:at + length])
            at += length + 2
            if not length:
                return lines, pieces, True, at
    length = int(fields.get(b"content-length", b"0"))
    if len(data) < at + length:
        return None
    return lines, [data[at:at + length]] if length else [], False, at + length


def gbs_exchanges(events, keep_polls=False):
    """[dict(conn, request=(lines, pieces), response=(lines, pieces, chunked) or None)] in the order of the requests."""
    numbers, buffers, waiting, exchanges = {}, {}, {}, []
    for event in events:
        conn = event["conn"]
        if event["event"] != "data":
            continue
        numbers.setdefault(conn, len(numbers) + 1)
        key = (conn, event["dir"])
        buffers[key] = buffers.get(key, b"") + event["bytes"]
        while buffers[key]:
            if event["dir"] == "<" and waiting.get(conn) and waiting[conn][0]["head"]:
                head, end, _ = buffers[key].partition(b"\r\n\r\n")
                message = (head.split(b"\r\n"), [], False, len(head) + 4) if end else None
            else:
                message = split_message(buffers[key])
            if message is None:
                break
            lines, pieces, chunked, length = message
            buffers[key] = buffers[key][length:]
            if event["dir"] == ">":
                exchange = dict(conn=conn, request=(lines, pieces), response=None, head=lines[0].startswith(b"HEAD "))
                exchanges.append(exchange)
                waiting.setdefault(conn, []).append(exchange)
            else:
                waiting[conn].pop(0)["response"] = (lines, pieces, chunked)
    if not keep_polls:
        exchanges = [e for e in exchanges if b"/storage/v1/version" not in e["request"][0][0]]
    renumbered = {}
    for exchange in exchanges:
        exchange["conn"] = renumbered.setdefault(exchange["conn"], len(renumbered) + 1)
    return exchanges


def field(lines, name):
    for line in lines[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def gbs_lines(exchanges, patterned=False):
    """Golden lines of HTTP exchanges. With patterned, content of immutable shares becomes `pattern:OFFSET:LENGTH`."""
    out = []
    for exchange in exchanges:
        lines, pieces = exchange["request"]
        path = lines[0].split(b" ")[1]
        share = re.fullmatch(rb"/storage/v1/immutable/[a-z2-7]{26}/\d+", path)
        out.append(f"exchange {exchange['conn']}")
        out.append("  request " + lines[0].decode())
        out += ["  header " + l.decode() for l in lines[1:]]
        for piece in pieces:
            if patterned and share and lines[0].startswith(b"PATCH"):
                first = int(re.match(rb"bytes (\d+)-", field(lines, b"content-range"))[1])
                out.append(f"  body pattern:{first}:{len(piece)}")
            else:
                out.append("  body " + quote(piece))
        if exchange["response"] is None:
            out.append("  response none")
            continue
        lines, pieces, chunked = exchange["response"]
        out.append("  response " + lines[0].decode())
        out += ["  header " + l.decode() for l in lines[1:]]
        offset = None
        if patterned and share and b" 206 " in lines[0]:
            offset = int(re.match(rb"bytes (\d+)-", field(lines, b"content-range"))[1])
        for piece in pieces:
            word = "chunk" if chunked else "body"
            if offset is None:
                assert unquote(quote(piece)) == piece
                out.append(f"  {word} {quote(piece)}")
            else:
                out.append(f"  {word} pattern:{offset}:{len(piece)}")
                offset += len(piece)
    return out
