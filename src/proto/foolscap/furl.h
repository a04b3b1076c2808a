// FURLs: the addresses of Foolscap, "pb://TUBID@HINTS/NAME" (A.1). Plain values; any thread.
//
// Strictness, against the reference, which is laxer:
//   - the tub id is exactly 32 characters of canonical base32 (20 bytes); Tahoe asserts as much;
//   - no hint may be empty, but the list may ("pb://ID@/NAME" has no address);
//   - the name is everything after the first '/' behind the hints, not empty, printable ASCII
//     without space;
//   - a hint of an unknown kind is kept and can be skipped; it is not an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace s4::proto::foolscap {

// Whether `text` is a tub id in its one spelling.
bool is_tub_id(std::string_view text);
// The tub id that a certificate (DER) gives its owner: base32 of its SHA-1.
std::string tub_id_of(ByteView certificate_der);

struct TcpAddress {
    std::string host;  // a DNS name, or an IP literal without brackets
    std::uint16_t port = 0;
    friend bool operator==(const TcpAddress&, const TcpAddress&) = default;
};

// "tcp:HOST:PORT", "tcp:[V6]:PORT" or the legacy "HOST:PORT"; nothing for other kinds of hints.
std::optional<TcpAddress> parse_tcp_hint(std::string_view hint);
std::string format_tcp_hint(const TcpAddress& address);

struct Furl {
    std::string tub_id;
    std::vector<std::string> hints;
    std::string name;  // the swissnum: who knows it may use the object

    // Errors: furl.invalid, with what was wrong. The text itself is never repeated, it is a secret.
    static Result<Furl> parse(std::string_view text);
    std::string format() const;
    // The hints that name a TCP address, in order.
    std::vector<TcpAddress> tcp_addresses() const;

    // Hints do not count: two FURLs with the same tub id and name mean the same object.
    bool same_object(const Furl& other) const {
        return tub_id == other.tub_id && name == other.name;
    }
};

}  // namespace s4::proto::foolscap
