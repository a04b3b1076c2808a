// What base32 accepts is canonical: writing it again gives the same text.
#include "base/check.h"
#include "codec/base32.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4;
    const ByteView input(data, size);
    if (const auto bytes = codec::base32::decode(as_text(input)))
        CHECK(codec::base32::encode(*bytes) == as_text(input), "base32 accepted a second spelling");
    CHECK(equal(codec::base32::decode(codec::base32::encode(input)).value(), input),
          "base32 does not read what it wrote");
    return 0;
}
