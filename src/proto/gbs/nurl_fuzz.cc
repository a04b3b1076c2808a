// NURLs: what is accepted is written again as it was.
#include "base/check.h"
#include "proto/gbs/nurl.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = s4::as_text({data, size});
    const auto nurl = s4::proto::gbs::Nurl::parse(text);
    if (!nurl) return 0;
    const s4::Secret again = nurl->to_text();
    const auto parsed_again = s4::proto::gbs::Nurl::parse(again.reveal_text());
    CHECK(parsed_again && *parsed_again == *nurl, "a NURL survives being written and read");
    return 0;
}
