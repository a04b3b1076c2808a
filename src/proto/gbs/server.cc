#include "proto/gbs/server.h"

#include <algorithm>

#include "base/check.h"
#include "proto/gbs/limits.h"

namespace s4::proto::gbs {

namespace {

constexpr std::string_view kTextType = "text/plain; charset=utf-8";

bool answers_cbor(Route route) {
    switch (route) {
        case Route::version:
        case Route::allocate:
        case Route::write:
        case Route::immutable_shares:
        case Route::read_test_write:
        case Route::mutable_shares:
            return true;
        case Route::lease:
        case Route::abort:
        case Route::immutable_read:
        case Route::immutable_corrupt:
        case Route::mutable_read:
        case Route::mutable_corrupt:
            return false;
    }
    UNREACHABLE("every route says what it answers");
}

// The one header line of this name; nothing if it is missing or repeated.
std::optional<std::string_view> only(const http1::Fields& fields, std::string_view name) {
    return fields.count(name) == 1 ? fields.find(name) : std::nullopt;
}

std::expected<std::optional<Span>, Answer> admit_span(const http1::RequestHead& head, Route route) {
    const bool reads = answers_bytes(route);
    if (!reads && route != Route::write) return std::nullopt;
    const std::string_view name = reads ? "Range" : "Content-Range";
    if (reads && head.fields.count(name) == 0) return std::nullopt;
    const std::string_view value = only(head.fields, name).value_or("");
    const auto span = reads ? parse_range(value) : parse_content_range(value);
    if (!span) return std::unexpected(error_answer(route, 416, span.error().message()));
    return *span;
}

}  // namespace

Answer cbor_answer(int status, ByteBuffer body) {
    return {.status = status, .content_type = kCborType, .body = std::move(body)};
}

Answer empty_answer(int status) {
    return {.status = status};
}

Answer error_answer(Route route, int status, std::string_view sentence) {
    return {.status = status,
            .content_type = answers_bytes(route) ? kBytesType : kTextType,
            .body = to_buffer(as_bytes(sentence.substr(0, kErrorTextBytesMax)))};
}

// The text is Tahoe's.
Answer wrong_authorization() {
    return {.status = 401,
            .content_type = kTextType,
            .body = to_buffer(as_bytes("Wrong Authorization header"))};
}

std::expected<Target, Answer> admit_path(const http1::RequestHead& head) {
    const RouteMatch matched = match(head.method, head.path());
    switch (matched.what) {
        case RouteMatch::What::found:
            return matched.target;
        case RouteMatch::What::no_such_path:
            return std::unexpected(
                Answer{.status = 404,
                       .content_type = kTextType,
                       .body = to_buffer(as_bytes("There is nothing at this path"))});
        case RouteMatch::What::wrong_method:
            return std::unexpected(
                Answer{.status = 405,
                       .content_type = kTextType,
                       .allow = matched.allow,
                       .body = to_buffer(as_bytes("The method is not allowed for this path"))});
    }
    UNREACHABLE("every match has its answer");
}

std::expected<Request, Answer> admit(const http1::RequestHead& head, const Target& target) {
    const Route route = target.route;
    auto secrets = check_secrets(route, head.fields);
    if (!secrets) return std::unexpected(error_answer(route, 400, secrets.error().message()));
    if (expects_cbor_body(route) && !has_cbor_body(head.fields))
        return std::unexpected(error_answer(route, 415, "The body must be application/cbor"));
    if (answers_cbor(route) && !accepts_cbor(head.fields))
        return std::unexpected(
            error_answer(route, 406, "The answer is application/cbor, which Accept excludes"));
    auto span = admit_span(head, route);
    if (!span) return std::unexpected(std::move(span).error());
    return Request{.target = target, .secrets = std::move(*secrets), .span = *span};
}

bool expects_cbor_body(Route route) {
    return route == Route::allocate || route == Route::immutable_corrupt ||
           route == Route::mutable_corrupt || route == Route::read_test_write;
}

std::size_t body_bytes_max(Route route) {
    return route == Route::allocate ? kAllocateBodyBytesMax : kCorruptBodyBytesMax;
}

bool answers_bytes(Route route) {
    return route == Route::immutable_read || route == Route::mutable_read;
}

ReadPlan plan_read(const std::optional<Span>& asked, std::uint64_t length) {
    if (!asked) return {.status = 200, .offset = 0, .size = length};
    if (asked->first >= length) return {.status = 204};
    const Span sent{asked->first, std::min(asked->last, length - 1)};
    return {.status = 206, .offset = sent.first, .size = sent.size(), .sent = sent};
}

}  // namespace s4::proto::gbs
