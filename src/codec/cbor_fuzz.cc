// Both CBOR readers over the same bytes: neither crashes, both say the same, and what they accept
// libcbor accepts.
#include "base/check.h"
#include "codec/cbor_oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4::codec::cbor;
    // The first byte seeds the sizes of the pieces.
    if (size == 0) return 0;
    std::uint32_t state = data[0];
    const s4::ByteView document(data + 1, size - 1);
    const auto piece_size = [&state]() -> std::size_t {
        state = state * 1664525 + 1013904223;
        return 1 + (state >> 24) % 16;
    };
    const auto whole = oracle::read_whole(document);
    const auto stream = oracle::read_stream(document, piece_size);
    CHECK(whole.error.empty() == stream.error.empty(), "one reader accepts what the other refuses");
    CHECK(whole.events == stream.events, "the readers saw different documents");
    CHECK(whole.consumed == stream.consumed, "the readers stopped at different places");
    if (whole.error.empty() && oracle::libcbor_knows(whole))
        CHECK(oracle::libcbor_consumed(document) == whole.consumed, "libcbor disagrees");
    return 0;
}
