#include "proto/gbs/headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"
#include "codec/base64.h"
#include "proto/gbs/limits.h"

namespace s4::proto::gbs {

namespace {

constexpr std::string_view kSecretField = "X-Tahoe-Authorization";
constexpr std::string_view kScheme = "Tahoe-LAFS ";

struct SecretKind {
    std::string_view name;
    std::optional<Secret> RequestSecrets::* member;
    bool of_lease;
};
constexpr std::array<SecretKind, 4> kSecretKinds{{
    {"lease-renew-secret", &RequestSecrets::lease_renew, true},
    {"lease-cancel-secret", &RequestSecrets::lease_cancel, true},
    {"upload-secret", &RequestSecrets::upload, false},
    {"write-enabler", &RequestSecrets::write_enabler, false},
}};

bool needs(Route route, std::string_view name) {
    const bool lease = name.starts_with("lease-");
    switch (route) {
        case Route::lease:
            return lease;
        case Route::allocate:
            return lease || name == "upload-secret";
        case Route::write:
        case Route::abort:
            return name == "upload-secret";
        case Route::read_test_write:
            return lease || name == "write-enabler";
        case Route::version:
        case Route::immutable_shares:
        case Route::immutable_read:
        case Route::immutable_corrupt:
        case Route::mutable_shares:
        case Route::mutable_read:
        case Route::mutable_corrupt:
            return false;
    }
    UNREACHABLE("every route says what it needs");
}

std::unexpected<Error> bad_secrets(std::string sentence) {
    return fail(ErrorKind::invalid, "gbs.bad_secrets", std::move(sentence));
}

std::unexpected<Error> wrong_set(Route route) {
    std::string needed;
    for (const SecretKind& kind : kSecretKinds)
        if (needs(route, kind.name))
            needed += (needed.empty() ? "" : ", ") + std::string(kind.name);
    if (needed.empty()) return bad_secrets("This request takes no X-Tahoe-Authorization header");
    return bad_secrets(fmt::format(
        "This request needs exactly these X-Tahoe-Authorization headers, each once: {}", needed));
}

Result<Secret> decode_secret(const SecretKind& kind, std::string_view text) {
    auto raw = codec::base64::decode(text);
    if (!raw || raw->empty() || raw->size() > kSecretBytesMax)
        return bad_secrets(fmt::format("The value of {} is not base64 of 1 to {} bytes", kind.name,
                                       kSecretBytesMax));
    if (kind.of_lease && raw->size() != kLeaseSecretBytes)
        return bad_secrets("Lease secrets must be 32 bytes long");
    return Secret(std::move(*raw));
}

Result<void> take_secret(Route route, std::string_view line, RequestSecrets& out) {
    const std::size_t space = line.find(' ');
    const std::string_view name = line.substr(0, space);
    for (const SecretKind& kind : kSecretKinds) {
        if (kind.name != name) continue;
        std::optional<Secret>& slot = out.*kind.member;
        if (slot || !needs(route, name)) return wrong_set(route);
        slot = TRY(decode_secret(
            kind, space == std::string_view::npos ? std::string_view() : line.substr(space + 1)));
        return ok();
    }
    return wrong_set(route);
}

std::unexpected<Error> bad_range(std::string_view form) {
    return fail(ErrorKind::invalid, "gbs.bad_range",
                fmt::format("The range must have the form {}", form));
}

// A number beyond 64 bits is taken as the largest: no share reaches either.
bool take_number(std::string_view& text, std::uint64_t& out) {
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (end == text.data()) return false;
    if (ec == std::errc::result_out_of_range) out = UINT64_MAX;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

bool take_text(std::string_view& text, std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

bool take_span(std::string_view& text, Span& out) {
    return take_number(text, out.first) && take_text(text, "-") && take_number(text, out.last) &&
           out.first <= out.last;
}

// A media type without its parameters, and without the white space around it.
std::string_view bare_type(std::string_view value) {
    value = value.substr(0, value.find(';'));
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    return value;
}

}  // namespace

Result<RequestSecrets> check_secrets(Route route, const http1::Fields& fields) {
    RequestSecrets out;
    for (std::size_t i = 0; i < fields.size(); ++i)
        if (http1::same_name(fields[i].name, kSecretField))
            TRY(take_secret(route, fields[i].value, out));
    for (const SecretKind& kind : kSecretKinds)
        if (needs(route, kind.name) && !(out.*kind.member)) return wrong_set(route);
    return out;
}

std::optional<Secret> presented_swissnum(const http1::Fields& fields) {
    const auto value = fields.find("Authorization");
    if (!value || !value->starts_with(kScheme) || fields.count("Authorization") != 1)
        return std::nullopt;
    auto raw = codec::base64::decode(value->substr(kScheme.size()));
    if (!raw || raw->empty() || raw->size() > kSecretBytesMax) return std::nullopt;
    return Secret(std::move(*raw));
}

std::string authorization_value(const Secret& swissnum) {
    return std::string(kScheme) + codec::base64::encode(swissnum.reveal());
}

std::string secret_value(std::string_view name, const Secret& secret) {
    return fmt::format("{} {}", name, codec::base64::encode(secret.reveal()));
}

Result<Span> parse_range(std::string_view value) {
    Span span;
    if (!take_text(value, "bytes=") || !take_span(value, span) || !value.empty())
        return bad_range("bytes=FIRST-LAST");
    // A read ends where the share ends, so this changes no answer, and no sum overflows.
    return Span{std::min(span.first, kLastByteMax), std::min(span.last, kLastByteMax)};
}

Result<Span> parse_content_range(std::string_view value) {
    Span span;
    std::uint64_t length = 0;
    const bool spanned = take_text(value, "bytes ") && take_span(value, span) &&
                         take_text(value, "/") && span.last <= kLastByteMax;
    if (spanned && value == "*") return span;
    if (spanned && take_number(value, length) && value.empty() && span.last < length) return span;
    return bad_range("bytes FIRST-LAST/*");
}

std::string range_value(const Span& span) {
    return fmt::format("bytes={}-{}", span.first, span.last);
}

std::string content_range_value(const Span& span) {
    return fmt::format("bytes {}-{}/*", span.first, span.last);
}

bool accepts_cbor(const http1::Fields& fields) {
    bool asked = false;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!http1::same_name(fields[i].name, "Accept")) continue;
        asked = true;
        std::string_view rest = fields[i].value;
        while (!rest.empty()) {
            const std::size_t comma = rest.find(',');
            const std::string_view type = bare_type(rest.substr(0, comma));
            if (http1::same_name(type, kCborType) || type == "*/*" || type == "application/*")
                return true;
            rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        }
    }
    return !asked;
}

bool has_cbor_body(const http1::Fields& fields) {
    const auto value = fields.find("Content-Type");
    return !value || http1::same_name(bare_type(*value), kCborType);
}

}  // namespace s4::proto::gbs
