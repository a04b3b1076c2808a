#include <golden/conversation.h>

#include <openssl/evp.h>

#include <charconv>
#include <fstream>
#include <utility>

#include "base/check.h"

namespace s4::golden {
namespace {

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    CHECK(error == std::errc() && end == text.data() + text.size(), "a number in a golden file");
    return value;
}

std::pair<std::string_view, std::string_view> split(std::string_view text, char at) {
    const std::size_t pos = text.find(at);
    if (pos == std::string_view::npos) return {text, {}};
    return {text.substr(0, pos), text.substr(pos + 1)};
}

int hex_digit(char c) {
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

ByteBuffer read_hex(std::string_view text) {
    ByteBuffer out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(hex_digit(text[i]) * 16 + hex_digit(text[i + 1])));
    return out;
}

ByteBuffer read_base64(std::string_view text) {
    ByteBuffer out(text.size() / 4 * 3);
    const int length =
        EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                        static_cast<int>(text.size()));
    CHECK(length >= 0, "base64 in a golden file");
    std::size_t padding = 0;
    while (padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
    out.resize(static_cast<std::size_t>(length) - padding);
    return out;
}

ByteBuffer read_quoted(std::string_view text) {
    CHECK(text.size() >= 2 && text.front() == '"' && text.back() == '"', "a quoted golden text");
    ByteBuffer out;
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        if (text[i] != '\\') {
            out.push_back(static_cast<std::uint8_t>(text[i]));
        } else if (text[++i] == 'x') {
            append(out, read_hex(text.substr(i + 1, 2)));
            i += 2;
        } else {
            const char c = text[i] == 'n' ? '\n' : text[i] == 'r' ? '\r' : text[i];
            out.push_back(static_cast<std::uint8_t>(c));
        }
    }
    return out;
}

ByteBuffer pattern(std::string_view text) {
    const auto [offset, length] = split(text, ':');
    ByteBuffer out(number(length));
    std::uint64_t p = number(offset);
    for (std::uint8_t& b : out) {
        b = static_cast<std::uint8_t>(p ^ p >> 8 ^ p >> 16);
        ++p;
    }
    return out;
}

ByteBuffer read_bytes(std::string_view text) {
    const auto [form, rest] = split(text, ':');
    if (form == "base64") return read_base64(rest);
    if (form == "pattern") return pattern(rest);
    return read_quoted(text);
}

ByteBuffer big_endian(std::string_view decimal) {
    ByteBuffer out;
    for (const char digit : decimal) {
        int carry = digit - '0';
        for (std::size_t i = out.size(); i-- > 0;) {
            const int value = out[i] * 10 + carry;
            out[i] = static_cast<std::uint8_t>(value);
            carry = value >> 8;
        }
        if (carry > 0) out.insert(out.begin(), static_cast<std::uint8_t>(carry));
    }
    return out;
}

Token read_token(std::string_view text) {
    const auto [kind, value] = split(text, ':');
    Token token;
    token.kind = kind;
    if (kind == "string" || kind == "error") {
        token.body = read_bytes(value);
        token.number = token.body.size();
    } else if (kind == "longint" || kind == "longneg") {
        token.body = big_endian(value);
        token.number = token.body.size();
    } else if (kind == "float") {
        token.body = read_hex(value);
    } else {
        token.number = number(split(value, ':').first);
    }
    return token;
}

// The tokens of one line: separated by single spaces, which may also occur within quotes.
std::vector<Token> read_tokens(std::string_view text) {
    std::vector<Token> tokens;
    bool quoted = false;
    std::size_t start = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i == text.size() || (text[i] == ' ' && !quoted)) {
            tokens.push_back(read_token(text.substr(start, i - start)));
            start = i + 1;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (text[i] == '\\') {
            ++i;
        }
    }
    return tokens;
}

void read_exchange_line(std::string_view word, std::string_view rest, Exchange& exchange) {
    const bool response = !exchange.status_line.empty();
    if (word == "request") {
        exchange.request_line = rest;
    } else if (word == "header") {
        (response ? exchange.response_headers : exchange.request_headers).emplace_back(rest);
    } else if (word == "response") {
        exchange.answered = rest != "none";
        if (exchange.answered) exchange.status_line = rest;
    } else if (word == "body" && !response) {
        exchange.request_body = read_bytes(rest);
    } else {
        CHECK(word == "body" || word == "chunk", "an unknown word in a golden exchange");
        exchange.chunks.push_back(read_bytes(rest));
    }
}

Event read_event(std::string_view who, std::string_view rest) {
    Event event;
    if (who.back() == '>' || who.back() == '<') {
        event.from_connector = who.back() == '>';
        who.remove_suffix(1);
    }
    event.connection = static_cast<int>(number(who));
    const auto [word, value] = split(rest, ' ');
    if (word == "connect") {
        event.kind = EventKind::kConnect;
    } else if (word == "line") {
        event.kind = EventKind::kLine;
        event.bytes = read_bytes(value);
        append(event.bytes, "\r\n");
    } else if (word == "tls") {
        event.kind = EventKind::kTls;
    } else if (word == "tokens") {
        event.kind = EventKind::kTokens;
        event.tokens = read_tokens(value);
        for (const Token& token : event.tokens) append(event.bytes, token.wire());
    } else if (word == "raw") {
        event.kind = EventKind::kRaw;
        event.bytes = read_bytes(value);
    } else {
        CHECK(word == "close", "an unknown word in a golden Foolscap conversation");
        event.kind = EventKind::kClose;
    }
    return event;
}

std::uint8_t type_byte(std::string_view kind) {
    static constexpr std::pair<std::string_view, std::uint8_t> kTypes[] = {
        {"int", 0x81},     {"string", 0x82}, {"neg", 0x83},  {"float", 0x84}, {"longint", 0x85},
        {"longneg", 0x86}, {"vocab", 0x87},  {"open", 0x88}, {"close", 0x89}, {"abort", 0x8a},
        {"error", 0x8d},   {"ping", 0x8e},   {"pong", 0x8f}};
    for (const auto& [name, byte] : kTypes)
        if (name == kind) return byte;
    UNREACHABLE("an unknown token in a golden file");
}

void append_lines(ByteBuffer& out, const std::string& first, const std::vector<std::string>& more) {
    append(out, first + "\r\n");
    for (const std::string& line : more) append(out, line + "\r\n");
    append(out, "\r\n");
}

void append_chunk(ByteBuffer& out, ByteView chunk) {
    char size[20];
    const auto end = std::to_chars(size, size + sizeof size, chunk.size(), 16).ptr;
    append(out, std::string_view(size, end));
    append(out, "\r\n");
    append(out, chunk);
    append(out, "\r\n");
}

bool named(std::string_view line, std::string_view name) {
    if (line.size() <= name.size() || line[name.size()] != ':') return false;
    for (std::size_t i = 0; i < name.size(); ++i)
        if ((line[i] | 0x20) != (name[i] | 0x20)) return false;
    return true;
}

}  // namespace

ByteBuffer Token::wire() const {
    ByteBuffer out;
    const bool bare = kind == "float" || ((kind == "ping" || kind == "pong") && number == 0);
    if (!bare) {
        std::uint64_t left = number;
        do {
            out.push_back(left & 0x7f);
            left >>= 7;
        } while (left != 0);
    }
    out.push_back(type_byte(kind));
    append(out, body);
    return out;
}

ByteBuffer Exchange::request_bytes() const {
    ByteBuffer out;
    append_lines(out, request_line, request_headers);
    append(out, request_body);
    return out;
}

ByteBuffer Exchange::response_bytes() const {
    ByteBuffer out;
    append_lines(out, status_line, response_headers);
    if (!chunked) {
        append(out, response_body());
    } else {
        for (const ByteBuffer& chunk : chunks) append_chunk(out, chunk);
        append_chunk(out, {});
    }
    return out;
}

ByteBuffer Exchange::response_body() const {
    ByteBuffer out;
    for (const ByteBuffer& chunk : chunks) append(out, chunk);
    return out;
}

int Exchange::status() const {
    return static_cast<int>(number(split(split(status_line, ' ').second, ' ').first));
}

std::string Exchange::response_header(std::string_view name) const {
    for (const std::string& line : response_headers) {
        if (!named(line, name)) continue;
        const std::string_view value = std::string_view(line).substr(name.size() + 1);
        const std::size_t start = value.find_first_not_of(' ');
        return start == std::string_view::npos ? "" : std::string(value.substr(start));
    }
    return "";
}

Conversation read(const std::string& path) {
    std::ifstream file(path);
    CHECK(file.is_open(), "a golden file that is not there: " + path);
    Conversation out;
    std::string text;
    std::getline(file, text);
    CHECK(text == "golden 1", "a golden file of another version: " + path);
    while (std::getline(file, text)) {
        std::string_view line = text;
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        if (line.empty() || line.front() == '#') continue;
        const auto [word, rest] = split(line, ' ');
        if (word == "kind") {
            out.kind = rest;
        } else if (word == "about") {
            out.about = rest;
        } else if (word == "fact") {
            const auto [name, value] = split(rest, ' ');
            out.facts[std::string(name)] = value;
        } else if (word == "exchange") {
            out.exchanges.emplace_back().connection = static_cast<int>(number(rest));
        } else if (word != "with" && out.kind == "gbs") {
            CHECK(!out.exchanges.empty(), "a golden exchange begins with its connection");
            read_exchange_line(word, rest, out.exchanges.back());
        } else if (word != "with") {
            out.events.push_back(read_event(word, rest));
        }
    }
    for (Exchange& e : out.exchanges)
        e.chunked = e.response_header("transfer-encoding") == "chunked";
    return out;
}

}  // namespace s4::golden
