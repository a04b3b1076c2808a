#include "proto/http1/serializer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/check.h"

namespace s4::proto::http1 {

namespace {

template <typename T>
std::string_view number(std::array<char, 20>& room, T value, int base) {
    const auto end = std::to_chars(room.data(), room.data() + room.size(), value, base).ptr;
    return {room.data(), static_cast<std::size_t>(end - room.data())};
}

bool ends_line(char c) {
    return c == '\r' || c == '\n' || c == '\0';
}

void append_harmless(ByteBuffer& out, std::string_view value) {
    const std::size_t begin = out.size();
    append(out, value);
    for (std::size_t i = begin; i < out.size(); ++i)
        if (ends_line(static_cast<char>(out[i]))) out[i] = ' ';
}

struct Reason {
    int status;
    std::string_view text;
};
constexpr auto kReasons = std::to_array<Reason>({
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
});

}  // namespace

void begin_request(ByteBuffer& out, std::string_view method, std::string_view target) {
    CHECK(!target.empty() &&
              target.find_first_of(std::string_view(" \r\n\0", 4)) == std::string_view::npos,
          "a request's target has no space and no line end");
    append(out, method);
    append(out, " ");
    append(out, target);
    append(out, " HTTP/1.1\r\n");
}

void begin_response(ByteBuffer& out, int status) {
    std::array<char, 20> room;
    append(out, "HTTP/1.1 ");
    append(out, number(room, status, 10));
    append(out, " ");
    append(out, reason_of(status));
    append(out, "\r\n");
}

void add_field(ByteBuffer& out, std::string_view name, std::string_view value) {
    append(out, name);
    append(out, ": ");
    append_harmless(out, value);
    append(out, "\r\n");
}

void add_field(ByteBuffer& out, std::string_view name, std::uint64_t value) {
    std::array<char, 20> room;
    add_field(out, name, number(room, value, 10));
}

void end_head(ByteBuffer& out) {
    append(out, "\r\n");
}

void add_chunk_head(ByteBuffer& out, std::uint64_t size) {
    CHECK(size > 0, "a chunk of no bytes would end the body");
    std::array<char, 20> room;
    append(out, number(room, size, 16));
    append(out, "\r\n");
}

std::string_view reason_of(int status) {
    const auto row = std::ranges::find(kReasons, status, &Reason::status);
    return row == kReasons.end() ? "Unknown" : row->text;
}

}  // namespace s4::proto::http1
