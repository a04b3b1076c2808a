#include "proto/foolscap/banana.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/check.h"
#include "proto/foolscap/vocabulary.h"

namespace s4::proto::foolscap {
namespace {

std::unexpected<Error> malformed(std::string message) {
    return fail(ErrorKind::invalid, "banana.malformed", std::move(message));
}

// The number that a header spells, if 64 bits hold it.
std::optional<std::uint64_t> header_number(ByteView digits) {
    std::uint64_t value = 0;
    for (std::size_t i = digits.size(); i-- > 0;) {
        if (value >> 57 != 0) return std::nullopt;
        value = value << 7 | digits[i];
    }
    return value;
}

bool is_known(std::uint8_t type) {
    return (type >= 0x80 && type <= 0x8a) || (type >= 0x8d && type <= 0x8f);
}

}  // namespace

Result<std::optional<Token>> Decoder::next(ByteView& bytes) {
    while (true) {
        switch (phase_) {
            case Phase::header:
                if (!TRY(take_header(bytes))) return std::nullopt;
                TRY(begin_body());
                if (phase_ == Phase::skip) return oversized_token();
                break;
            case Phase::skip: {
                const std::size_t n = std::min<std::uint64_t>(left_, bytes.size());
                bytes = bytes.subspan(n);
                left_ -= n;
                if (left_ > 0) return std::nullopt;
                phase_ = Phase::header;
                break;
            }
            case Phase::string:
                // An empty string is a piece too; any other waits for its first byte.
                if (bytes.empty() && left_ > 0) return std::nullopt;
                return string_piece(bytes);
            case Phase::body: {
                const std::size_t n = std::min<std::uint64_t>(left_, bytes.size());
                append(body_, bytes.first(n));
                bytes = bytes.subspan(n);
                left_ -= n;
                if (left_ > 0) return std::nullopt;
                phase_ = Phase::header;
                return bounded_token();
            }
        }
    }
}

// True once the type byte was read; the header's digits are then in header_ and number_.
Result<bool> Decoder::take_header(ByteView& bytes) {
    while (!bytes.empty()) {
        const std::uint8_t byte = bytes.front();
        bytes = bytes.subspan(1);
        if (byte >= 0x80) {
            if (!is_known(byte)) return malformed(fmt::format("Invalid Type Byte 0x{:x}", byte));
            type_ = static_cast<TokenType>(byte);
            return true;
        }
        if (header_size_ == kTokenHeaderBytesMax)
            return malformed("token prefix is limited to 64 bytes");
        header_[header_size_++] = byte;
    }
    return false;
}

Result<void> Decoder::begin_body() {
    const ByteView digits(header_.data(), header_size_);
    body_.clear();
    left_ = 0;
    phase_ = Phase::body;
    const bool echoed = type_ == TokenType::ping || type_ == TokenType::pong;
    if (echoed) {
        number_ = 0;
        append(body_, digits);
        header_size_ = 0;
        return ok();
    }
    const auto number = header_number(digits);
    header_size_ = 0;
    if (!number) return malformed("token header is larger than 64 bits");
    number_ = *number;
    switch (type_) {
        case TokenType::list:
            return malformed("oldbanana peer detected, compatibility code not yet written");
        case TokenType::string:
            phase_ = Phase::string;
            left_ = number_;
            string_began_ = false;
            break;
        case TokenType::long_integer:
        case TokenType::long_negative:
            left_ = number_;
            if (number_ > kLongIntegerBytesMax) phase_ = Phase::skip;
            break;
        case TokenType::floating:
            left_ = 8;
            break;
        case TokenType::error:
            if (number_ > kErrorTextBytesMax) return malformed("oversized ERROR token");
            left_ = number_;
            break;
        case TokenType::integer:
        case TokenType::negative:
        case TokenType::vocabulary:
        case TokenType::open:
        case TokenType::close:
        case TokenType::abort:
        case TokenType::ping:
        case TokenType::pong:
            break;
    }
    return ok();
}

Token Decoder::string_piece(ByteView& bytes) {
    const std::size_t n = std::min<std::uint64_t>(left_, bytes.size());
    Token token{.type = TokenType::string, .number = number_, .body = bytes.first(n)};
    token.first = !string_began_;
    string_began_ = true;
    left_ -= n;
    token.remaining = left_;
    bytes = bytes.subspan(n);
    if (left_ == 0) phase_ = Phase::header;
    return token;
}

Token Decoder::oversized_token() const {
    Token token{.type = type_, .number = number_, .body = {}};
    token.oversized = true;
    return token;
}

Token Decoder::bounded_token() const {
    Token token{.type = type_, .number = number_, .body = body_};
    if (type_ == TokenType::floating)
        token.floating = std::bit_cast<double>(*ByteReader(body_).u64());
    return token;
}

void Encoder::token(std::uint64_t header, TokenType type) {
    for (; header != 0; header >>= 7) out_.push_back(header & 0x7f);
    out_.push_back(static_cast<std::uint8_t>(type));
}

// Zero is spelled with one digit, as the reference does.
void Encoder::integer(std::int64_t value) {
    constexpr std::int64_t limit = std::int64_t{1} << 31;
    if (value == 0) out_.push_back(0);
    if (value >= 0 && value < limit)
        return token(static_cast<std::uint64_t>(value), TokenType::integer);
    if (value < 0 && value >= -limit)
        return token(static_cast<std::uint64_t>(-value), TokenType::negative);
    // Negating in unsigned arithmetic is right for the smallest value too.
    const auto bits = static_cast<std::uint64_t>(value);
    ByteWriter magnitude;
    magnitude.u64(value < 0 ? ~bits + 1 : bits);
    ByteView trimmed = magnitude.view();
    while (trimmed.front() == 0) trimmed = trimmed.subspan(1);
    long_integer(value < 0, trimmed);
}

void Encoder::integer(const BigInteger& value) {
    long_integer(value.negative, value.magnitude);
}

void Encoder::long_integer(bool negative, ByteView magnitude) {
    token(magnitude.size(), negative ? TokenType::long_negative : TokenType::long_integer);
    append(out_, magnitude);
}

void Encoder::floating(double value) {
    token(0, TokenType::floating);
    ByteWriter bits;
    append(out_, bits.u64(std::bit_cast<std::uint64_t>(value)).view());
}

void Encoder::string(ByteView bytes) {
    if (const auto index = vocabulary_index(vocabulary_table_, bytes)) {
        if (*index == 0) out_.push_back(0);
        return token(*index, TokenType::vocabulary);
    }
    if (bytes.empty()) out_.push_back(0);
    token(bytes.size(), TokenType::string);
    append(out_, bytes);
}

void Encoder::string(SuppliedBytes bytes) {
    CHECK(numbered_ && bytes.supply && bytes.size > 0,
          "supplied are the bytes of one connection's answers");
    token(bytes.size, TokenType::string);
    gap_bytes_ += bytes.size;
    gaps_.push_back({out_.size(), std::move(bytes)});
}

ByteBuffer Encoder::take(std::size_t max) {
    const std::size_t end = gaps_.empty() ? out_.size() : gaps_.front().at;
    const std::size_t n = std::min(max, end - taken_);
    if (taken_ == 0 && n == out_.size() && gaps_.empty()) return std::exchange(out_, {});
    const auto from = out_.begin() + static_cast<std::ptrdiff_t>(taken_);
    ByteBuffer now(from, from + static_cast<std::ptrdiff_t>(n));
    taken_ += n;
    // What was taken goes when it is the larger part, so that each byte moves once.
    if (taken_ > out_.size() - taken_) {
        out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(taken_));
        for (Gap& gap : gaps_) gap.at -= taken_;
        taken_ = 0;
    }
    return now;
}

const SuppliedBytes* Encoder::gap() const {
    if (gaps_.empty() || gaps_.front().at != taken_) return nullptr;
    return &gaps_.front().bytes;
}

void Encoder::close_gap() {
    CHECK(gap() != nullptr, "the gap that is closed is the next");
    gap_bytes_ -= gaps_.front().bytes.size;
    gaps_.pop_front();
}

void Encoder::open(std::string_view opentype) {
    if (numbered_ && next_open_ == 0) out_.push_back(0);
    token(next_open_, TokenType::open);
    opened_.push_back(next_open_);
    if (numbered_) ++next_open_;
    string(opentype);
}

void Encoder::close() {
    CHECK(!opened_.empty(), "a close matches an open");
    if (numbered_ && opened_.back() == 0) out_.push_back(0);
    token(opened_.back(), TokenType::close);
    opened_.pop_back();
}

void Encoder::error(std::string_view text) {
    if (text.size() > kErrorTextBytesMax) text = text.substr(0, kErrorTextBytesMax);
    token(text.size(), TokenType::error);
    append(out_, text);
}

void Encoder::ping(std::uint64_t number) {
    if (number == 0) out_.push_back(0);
    token(number, TokenType::ping);
}

void Encoder::pong(ByteView header_digits) {
    append(out_, header_digits);
    out_.push_back(static_cast<std::uint8_t>(TokenType::pong));
}

}  // namespace s4::proto::foolscap
