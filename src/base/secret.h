// Secret: bytes that no log, error or JSON writer accepts (invariant 7).
//
// It has no conversion to text, no stream operator and no formatter; whoever needs the bytes says
// reveal(), which can be searched for. Its memory is overwritten when it goes. Comparison takes the
// same time wherever the bytes differ.
#pragma once

#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace s4 {

class Secret {
  public:
    Secret() = default;
    explicit Secret(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
    explicit Secret(ByteBuffer&& bytes) : bytes_(std::move(bytes)) {}
    Secret(const Secret&) = default;
    Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) {}
    Secret& operator=(const Secret& other) {
        if (this != &other) {
            wipe();
            bytes_ = other.bytes_;
        }
        return *this;
    }
    Secret& operator=(Secret&& other) noexcept {
        wipe();
        bytes_ = std::move(other.bytes_);
        return *this;
    }
    ~Secret() { wipe(); }

    ByteView reveal() const { return bytes_; }
    std::string_view reveal_text() const { return as_text(bytes_); }
    std::size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }

    // In constant time for equal lengths; lengths are not secret.
    friend bool operator==(const Secret& a, const Secret& b) { return a.equals(b.bytes_); }
    bool equals(ByteView other) const {
        if (bytes_.size() != other.size()) return false;
        std::uint8_t difference = 0;
        for (std::size_t i = 0; i < other.size(); ++i) difference |= bytes_[i] ^ other[i];
        return *static_cast<volatile std::uint8_t*>(&difference) == 0;
    }

  private:
    void wipe() {
        volatile std::uint8_t* p = bytes_.data();
        for (std::size_t i = 0; i < bytes_.size(); ++i) p[i] = 0;
    }

    ByteBuffer bytes_;
};

}  // namespace s4
