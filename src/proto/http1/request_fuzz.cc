// Requests in pieces of any size, under any strictness: the events must be the same however the
// bytes were cut, and no event may lie outside the input.
#include "base/check.h"
#include "proto/http1/parser.h"

namespace s4::proto::http1 {
namespace {

Strictness strictness_of(std::uint8_t bits) {
    Strictness s;
    s.refuse_folded_fields = bits & 1;
    s.refuse_length_with_chunked = bits & 2;
    s.refuse_repeated_length = bits & 4;
    s.refuse_other_codings = bits & 8;
    s.require_host = bits & 16;
    s.require_origin_form = bits & 32;
    s.refuse_chunked_in_1_0 = bits & 64;
    return s;
}

// Everything that was told, as text, and whether it ended with an error.
struct Story {
    std::string told;
    bool failed = false;
};

Story story(ByteView wire, std::size_t step, const Strictness& strictness) {
    RequestParser parser({}, strictness);
    Story out;
    std::string& told = out.told;
    std::size_t at = 0;
    std::size_t end = 0;
    for (;;) {
        const auto next = parser.next(wire.subspan(at, end - at));
        if (!next) {
            out.failed = true;
            return out;
        }
        CHECK(next->consumed <= end - at, "no more is consumed than was shown");
        at += next->consumed;
        switch (next->what) {
            case Step::What::head:
                told += "<" + parser.head().method_name + " " + parser.head().target;
                for (std::size_t i = 0; i < parser.head().fields.size(); ++i)
                    told += "|" + std::string(parser.head().fields[i].name) + "=" +
                            std::string(parser.head().fields[i].value);
                told += ">";
                break;
            case Step::What::body:
                told += as_text(next->body);
                break;
            case Step::What::end:
                told += "$";
                parser.reset();
                break;
            case Step::What::need_more:
                if (end == wire.size()) return out;
                end = std::min(end + step, wire.size());
        }
    }
}

}  // namespace
}  // namespace s4::proto::http1

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4::proto::http1;
    if (size < 2) return 0;
    const Strictness strictness = strictness_of(data[0]);
    const std::size_t step = 1 + data[1] % 64;
    const s4::ByteView wire(data + 2, size - 2);
    const Story whole = story(wire, wire.size() + 1, strictness);
    const Story cut = story(wire, step, strictness);
    // What is malformed may be told sooner or later, or still be waited for, but nothing else may
    // be told before it.
    if (whole.failed || cut.failed) {
        CHECK(whole.told.starts_with(cut.told) || cut.told.starts_with(whole.told),
              "what is told before an error does not depend on how the bytes were cut");
    } else {
        CHECK(whole.told == cut.told, "the events do not depend on how the bytes were cut");
    }
    return 0;
}
