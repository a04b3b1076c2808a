// Writes heads and chunks at the end of a buffer, which the pump then sends with the body behind
// it.
//
//   begin_response(out, 200);
//   add_field(out, "Content-Type", "application/cbor");
//   add_field(out, "Content-Length", body.size());
//   end_head(out);
//
// Names come from the program; in a value, a byte that could end the line is written as a space, so
// that no value can make a field of its own.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace s4::proto::http1 {

void begin_request(ByteBuffer& out, std::string_view method, std::string_view target);
void begin_response(ByteBuffer& out, int status);
void add_field(ByteBuffer& out, std::string_view name, std::string_view value);
void add_field(ByteBuffer& out, std::string_view name, std::uint64_t value);
void end_head(ByteBuffer& out);

// "Not Found"; "Unknown" for a status without a name here.
std::string_view reason_of(int status);

// Whether an answer with this status has no body and no Content-Length (RFC 9110 section 8.6).
constexpr bool has_no_body(int status) {
    return status < 200 || status == 204 || status == 304;
}

// The line before a chunk of `size` bytes (not 0); kChunkEnd follows the bytes.
void add_chunk_head(ByteBuffer& out, std::uint64_t size);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace s4::proto::http1
