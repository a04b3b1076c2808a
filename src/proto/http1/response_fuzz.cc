// Responses in pieces of any size: nothing crashes, nothing lies outside the input, and the end of
// the stream is told once.
#include "base/check.h"
#include "proto/http1/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4::proto::http1;
    if (size < 2) return 0;
    const Method request = data[0] & 1 ? Method::head : Method::get;
    const std::size_t step = 1 + data[1] % 64;
    const s4::ByteView wire(data + 2, size - 2);
    ResponseParser parser;
    parser.reset(request);
    std::size_t at = 0;
    std::size_t end = 0;
    for (;;) {
        const auto next = parser.next(wire.subspan(at, end - at));
        if (!next) return 0;
        CHECK(next->consumed <= end - at, "no more is consumed than was shown");
        at += next->consumed;
        if (next->what == Step::What::head)
            CHECK(parser.head().status >= 200 || parser.head().status == 101,
                  "interim answers are passed over");
        if (next->what == Step::What::end) parser.reset(request);
        if (next->what != Step::What::need_more) continue;
        if (end == wire.size()) break;
        end = std::min(end + step, wire.size());
    }
    (void)parser.ended();
    return 0;
}
