// What JSON is read can be written, and read again as the same document.
#include "base/check.h"
#include "codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4;
    using namespace s4::codec;
    const auto read = json::parse(as_text(ByteView(data, size)));
    if (!read) return 0;
    const json::Limits unlimited{.bytes_max = 16 * kJsonBytesMax};  // escapes make text longer
    const std::string written = json::to_text(*read);
    const auto again = json::parse(written, unlimited);
    CHECK(again && *again == *read, "JSON does not read what it wrote");
    CHECK(json::to_text(*again) == written, "JSON is written in two ways");
    return 0;
}
