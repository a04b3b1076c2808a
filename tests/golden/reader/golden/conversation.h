// A golden conversation (docs/formats/golden.md) read back into bytes, for unit tests that replay
// it against a protocol machine. A file that cannot be read is a broken test, so it ends the
// program.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace s4::golden {

// One HTTP exchange on connection `connection`. Header lines are as on the wire, without CRLF.
struct Exchange {
    int connection = 0;
    std::string request_line;
    std::vector<std::string> request_headers;
    ByteBuffer request_body;

    bool answered = false;
    std::string status_line;
    std::vector<std::string> response_headers;
    bool chunked = false;
    std::vector<ByteBuffer> chunks;  // one chunk each when chunked; else one body, or none

    ByteBuffer request_bytes() const;   // the whole request as it was on the wire
    ByteBuffer response_bytes() const;  // the whole response as it was on the wire
    ByteBuffer response_body() const;   // with any chunking taken off
    int status() const;
    // The value of the first header of that name (in lower case), or "" when there is none.
    std::string response_header(std::string_view name) const;
};

struct Token {
    std::string kind;          // "open", "int", "string", ... as in the format
    std::uint64_t number = 0;  // header: a value, index, count or length
    ByteBuffer body;           // of string, error, longint, longneg (big endian), float

    ByteBuffer wire() const;
};

enum class EventKind { kConnect, kLine, kTls, kTokens, kRaw, kClose };

// One event of a Foolscap conversation, in the order in which the listener saw or caused it.
struct Event {
    EventKind kind = EventKind::kConnect;
    int connection = 0;
    bool from_connector = false;  // for kLine, kTokens and kRaw: who sent it
    ByteBuffer bytes;             // as on the wire; a line's with its CRLF
    std::vector<Token> tokens;    // of kTokens
};

struct Conversation {
    std::string kind;
    std::string about;
    std::map<std::string, std::string> facts;
    std::vector<Exchange> exchanges;  // of kind gbs
    std::vector<Event> events;        // of kind foolscap
};

// Reads one file, for example S4_SOURCE_DIR "/tests/golden/gbs/sdmf.golden".
Conversation read(const std::string& path);

}  // namespace s4::golden
