// Banana: the tokens that Foolscap's messages are made of (A.8). The decoder and the encoder of one
// connection; both are plain values without I/O and live as long as their Broker.
//
//   token = header (0 to 64 digits below 0x80, least significant first) + type byte + body
//
// The decoder gives one token at a time, and STRING bodies in the pieces in which they arrive, so
// that a call as large as a mutable file never has to be held.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/foolscap/limits.h"

namespace s4::proto::foolscap {

enum class TokenType : std::uint8_t {
    list = 0x80,  // from before Foolscap: refused
    integer = 0x81,
    string = 0x82,
    negative = 0x83,
    floating = 0x84,
    long_integer = 0x85,
    long_negative = 0x86,
    vocabulary = 0x87,
    open = 0x88,
    close = 0x89,
    abort = 0x8a,
    error = 0x8d,
    ping = 0x8e,
    pong = 0x8f,
};

struct Token {
    TokenType type = TokenType::integer;
    // The header: the magnitude of integer and negative, the length of string and long integers,
    // the index of vocabulary, the count of open, close and abort.
    std::uint64_t number = 0;
    // string: this piece. long integers: the magnitude, big endian. error: the text. ping and pong:
    // the digits of the header, as received. Borrowed until the decoder is called again.
    ByteView body;
    double floating = 0;
    std::uint64_t remaining = 0;  // string: how much of the body is still to come
    bool first = true;            // string: whether this is the first piece
    bool oversized = false;       // long integers: above the limit, the body is being skipped
};

class Decoder {
  public:
    // Takes the next token from the front of `bytes`, which is shortened by what was used. Nothing
    // when all of `bytes` was used and the token goes on; then at most a header, a long integer or
    // an error text is held inside.
    //
    // Errors: "banana.malformed"; its message is what the peer is told. The connection is over.
    Result<std::optional<Token>> next(ByteView& bytes);

    // Whether the next byte begins a token.
    bool between_tokens() const { return phase_ == Phase::header && header_size_ == 0; }

  private:
    enum class Phase : std::uint8_t { header, body, string, skip };

    Result<bool> take_header(ByteView& bytes);
    Result<void> begin_body();
    Token string_piece(ByteView& bytes);
    Token bounded_token() const;
    Token oversized_token() const;

    Phase phase_ = Phase::header;
    TokenType type_ = TokenType::integer;
    std::array<std::uint8_t, kTokenHeaderBytesMax> header_{};
    std::size_t header_size_ = 0;
    std::uint64_t number_ = 0;
    std::uint64_t left_ = 0;  // of the body
    bool string_began_ = false;
    ByteBuffer body_;
};

// An integer outside the range of 64 bits with sign: rare on the wire ("2^64 bytes available").
struct BigInteger {
    bool negative = false;
    ByteBuffer magnitude;  // big endian, no leading zeros
    friend bool operator==(const BigInteger&, const BigInteger&) = default;
};

// Bytes that whoever made it supplies while they are sent. What a supply is, the pump knows that
// sends it; here it is only kept.
class Supply {
  public:
    virtual ~Supply() = default;
};
// A byte string to be sent of which only the length is known yet.
struct SuppliedBytes {
    std::shared_ptr<Supply> supply;
    std::uint64_t size = 0;  // above 0
    friend bool operator==(const SuppliedBytes&, const SuppliedBytes&) = default;
};

// Appends tokens to a buffer and numbers the OPENs. A close must match an open. Where a supplied
// byte string stands, the buffer has a gap: take() ends there, and goes on when the gap was closed.
class Encoder {
  public:
    explicit Encoder(int vocabulary_table) : vocabulary_table_(vocabulary_table) {}
    // Writes what is valid on any connection: no words as numbers, no numbers on OPEN and CLOSE.
    static Encoder for_any_connection() {
        Encoder out(0);
        out.numbered_ = false;
        return out;
    }

    void integer(std::int64_t value);
    void integer(const BigInteger& value);
    void floating(double value);
    // As VOCAB if the word is in the table.
    void string(ByteView bytes);
    void string(std::string_view text) { string(as_bytes(text)); }
    void string(SuppliedBytes bytes);  // never as VOCAB
    void open(std::string_view opentype);
    void close();
    void error(std::string_view text);  // shortened to the protocol's limit
    void ping(std::uint64_t number);
    void pong(ByteView header_digits);
    // Whole sequences that an encoder for_any_connection() made.
    void prepared(ByteView sequences) { append(out_, sequences); }

    // What was written and not taken, without gaps.
    std::size_t size() const { return out_.size() - taken_; }
    // For encoders that write one piece: all of it.
    ByteBuffer& out() { return out_; }

    // Up to `max` bytes, and not beyond the first gap.
    ByteBuffer take(std::size_t max);
    // The first gap, once all before it was taken; null if there is none.
    const SuppliedBytes* gap() const;
    void close_gap();
    std::uint64_t gap_bytes() const { return gap_bytes_; }  // of all gaps

  private:
    struct Gap {
        std::size_t at = 0;  // in out_
        SuppliedBytes bytes;
    };

    void token(std::uint64_t header, TokenType type);
    void long_integer(bool negative, ByteView magnitude);

    int vocabulary_table_;
    bool numbered_ = true;
    ByteBuffer out_;
    std::size_t taken_ = 0;  // of out_
    std::deque<Gap> gaps_;
    std::uint64_t gap_bytes_ = 0;
    std::uint64_t next_open_ = 0;
    std::vector<std::uint64_t> opened_;
};

}  // namespace s4::proto::foolscap
