// The protocol's header lines (reference D.3, D.6): what a request carries beside path and body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "proto/gbs/routes.h"
#include "proto/http1/message.h"

namespace s4::proto::gbs {

inline constexpr std::string_view kCborType = "application/cbor";
inline constexpr std::string_view kBytesType = "application/octet-stream";

// The secrets of one request. Which of them are there is settled by the route (check_secrets).
struct RequestSecrets {
    std::optional<Secret> lease_renew;
    std::optional<Secret> lease_cancel;
    std::optional<Secret> upload;
    std::optional<Secret> write_enabler;
};

// The X-Tahoe-Authorization lines: exactly those that the route needs, each once. Errors:
// gbs.bad_secrets, with a sentence that names lines but no values.
Result<RequestSecrets> check_secrets(Route route, const http1::Fields& fields);

// The swissnum that the Authorization line presents; nothing if there is no such line, more than
// one, or another scheme. Whether it is right, who looks up the grid decides.
std::optional<Secret> presented_swissnum(const http1::Fields& fields);
std::string authorization_value(const Secret& swissnum);
std::string secret_value(std::string_view name, const Secret& secret);  // one line's

// A range of bytes by its first and last, as HTTP writes it.
struct Span {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // inclusive, at least `first`
    std::uint64_t size() const { return last - first + 1; }
    friend bool operator==(const Span&, const Span&) = default;
};

// "bytes=a-b" alone: open, suffix, multiple and reversed ranges are refused, as Tahoe does; what
// goes beyond kLastByteMax is cut there. Errors: gbs.bad_range.
Result<Span> parse_range(std::string_view value);
// "bytes a-b/*" or with a length that the range fits. Errors: gbs.bad_range.
Result<Span> parse_content_range(std::string_view value);
std::string range_value(const Span& span);          // "bytes=a-b"
std::string content_range_value(const Span& span);  // "bytes a-b/*"

// Whether an answer in CBOR is acceptable: no Accept line, or one that names it, or a wildcard
// (which Tahoe refuses; no client depends on that).
bool accepts_cbor(const http1::Fields& fields);
// Whether the body may be CBOR: no Content-Type, or application/cbor.
bool has_cbor_body(const http1::Fields& fields);

}  // namespace s4::proto::gbs
