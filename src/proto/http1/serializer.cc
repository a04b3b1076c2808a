#include "proto/http1/serializer.h"

#include <array>
#include <charconv>

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
    switch (status) {
        case 100:
            return "Continue";
        case 101:
            return "Switching Protocols";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 416:
            return "Range Not Satisfiable";
        case 421:
            return "Misdirected Request";
        case 422:
            return "Unprocessable Content";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        case 507:
            return "Insufficient Storage";
        default:
            return "Unknown";
    }
}

}  // namespace s4::proto::http1
