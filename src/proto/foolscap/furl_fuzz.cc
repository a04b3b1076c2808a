// FURLs from strangers: what is accepted is written back as it was read.
#include <cstdint>

#include "base/check.h"
#include "proto/foolscap/furl.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4::proto::foolscap;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto furl = Furl::parse(text)) {
        CHECK(furl->format() == text, "a FURL has one spelling");
        for (const TcpAddress& address : furl->tcp_addresses())
            CHECK(parse_tcp_hint(format_tcp_hint(address)) == address, "hints survive a round");
    }
    return 0;
}
