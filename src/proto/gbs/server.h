// The server's side of the protocol between parsing HTTP and touching shares: which request it is,
// whether it is well made, and what is answered. Pure functions over heads; who serves calls them
// in this order (reference D.3), each refusing with an Answer:
//
//   1. admit_path(head)           404, 405
//   2. presented_swissnum(...)    (headers.h) the caller finds the grid; wrong_authorization(): 401
//   3. admit(head, target)        400 secrets, 415, 406, 416
//   4. the body, if expects_cbor_body(), read up to body_bytes_max() (413), parsed (messages.h):
//   400
//
// Differences from Tahoe 1.20, none of which a client can tell from an error before: 406 and 416
// are decided before anything is done; Accept with a wildcard is served; 404 and 405 carry plain
// text.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/gbs/headers.h"
#include "proto/gbs/routes.h"
#include "proto/http1/message.h"

namespace s4::proto::gbs {

// One whole answer. Bodies of reads and of read-test-write are not here: they are streamed.
struct Answer {
    int status = 200;
    std::string_view content_type = {};  // none when empty; a literal
    std::string_view allow = {};         // of 405; a literal
    ByteBuffer body = {};
};

Answer cbor_answer(int status, ByteBuffer body);
Answer empty_answer(int status);
// Plain text, cut at kErrorTextBytesMax. On routes that answer bytes the type is
// application/octet-stream, which their client looks at before the status (reference I.3.25).
Answer error_answer(Route route, int status, std::string_view sentence);
Answer wrong_authorization();

// What is known of a request once its head was found good.
struct Request {
    Target target;
    RequestSecrets secrets;
    std::optional<Span> span;  // Range of a read, Content-Range of a write; a write has one
};

std::expected<Target, Answer> admit_path(const http1::RequestHead& head);
std::expected<Request, Answer> admit(const http1::RequestHead& head, const Target& target);

bool expects_cbor_body(Route route);
// Of routes whose body is read whole.
std::size_t body_bytes_max(Route route);
// Whether the answer is the bytes of a share.
bool answers_bytes(Route route);

// What a read answers: the part of a share of `length` bytes that was asked for. Status 206 with
// `sent`, 200 with the whole share, or 204 when the range begins at or past its end.
struct ReadPlan {
    int status = 200;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::optional<Span> sent = {};  // for Content-Range
};
ReadPlan plan_read(const std::optional<Span>& asked, std::uint64_t length);

}  // namespace s4::proto::gbs
