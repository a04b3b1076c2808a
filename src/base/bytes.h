// Bytes as the whole house speaks of them, and the bounds-checked cursors through which all foreign
// bytes are read.
//
// ByteView and MutByteView borrow; ByteBuffer owns. Text and bytes are converted only by as_bytes()
// and as_text(), so that every place where one becomes the other can be found.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace s4 {

using ByteView = std::span<const std::uint8_t>;
using MutByteView = std::span<std::uint8_t>;
using ByteBuffer = std::vector<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline ByteBuffer to_buffer(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}
inline std::string to_string(ByteView bytes) {
    return std::string(as_text(bytes));
}

inline void append(ByteBuffer& out, ByteView more) {
    out.insert(out.end(), more.begin(), more.end());
}
inline void append(ByteBuffer& out, std::string_view more) {
    append(out, as_bytes(more));
}

inline bool equal(ByteView a, ByteView b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Reads from borrowed bytes. Every read says by its optional whether the bytes were there; a failed
// read moves nothing.
class ByteReader {
  public:
    explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

    std::size_t remaining() const { return bytes_.size() - at_; }
    std::size_t position() const { return at_; }
    bool at_end() const { return remaining() == 0; }

    std::optional<ByteView> take(std::size_t n) {
        if (n > remaining()) return std::nullopt;
        const ByteView out = bytes_.subspan(at_, n);
        at_ += n;
        return out;
    }
    ByteView rest() { return *take(remaining()); }

    std::optional<std::uint8_t> u8() { return big_endian<std::uint8_t>(); }
    std::optional<std::uint16_t> u16() { return big_endian<std::uint16_t>(); }
    std::optional<std::uint32_t> u32() { return big_endian<std::uint32_t>(); }
    std::optional<std::uint64_t> u64() { return big_endian<std::uint64_t>(); }

  private:
    template <typename T>
    std::optional<T> big_endian() {
        const auto raw = take(sizeof(T));
        if (!raw) return std::nullopt;
        std::uint64_t value = 0;
        for (const std::uint8_t b : *raw) value = value << 8 | b;
        return static_cast<T>(value);
    }

    ByteView bytes_;
    std::size_t at_ = 0;
};

// Writes to a buffer it owns; integers are big endian, as in every format of the house.
class ByteWriter {
  public:
    ByteWriter& u8(std::uint8_t v) { return big_endian(v); }
    ByteWriter& u16(std::uint16_t v) { return big_endian(v); }
    ByteWriter& u32(std::uint32_t v) { return big_endian(v); }
    ByteWriter& u64(std::uint64_t v) { return big_endian(v); }
    ByteWriter& bytes(ByteView v) {
        append(out_, v);
        return *this;
    }
    ByteWriter& text(std::string_view v) { return bytes(as_bytes(v)); }

    std::size_t size() const { return out_.size(); }
    const ByteBuffer& view() const { return out_; }
    ByteBuffer take() && { return std::move(out_); }

  private:
    template <typename T>
    ByteWriter& big_endian(T value) {
        for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8)
            out_.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> shift));
        return *this;
    }

    ByteBuffer out_;
};

}  // namespace s4
