// A read-test-write body taken as the network might cut it, for the tests and the fuzzer.
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/gbs/read_test_write.h"

namespace s4::proto::gbs {

struct Parsed {
    ReadTestWriteRequest request;
    ByteBuffer gathered;  // the data of all writes, in the order of the body
};

// Feeds `step` bytes at a time.
inline Result<Parsed> parse_in_pieces(ByteView body, std::size_t step) {
    using What = ReadTestWriteParser::Event::What;
    ReadTestWriteParser parser;
    Parsed out;
    bool done = false;
    for (std::size_t at = 0; at < body.size() && !done; at += step) {
        parser.feed(body.subspan(at, std::min(step, body.size() - at)));
        for (;;) {
            const auto event = TRY(parser.next());
            if (event.what == What::data) append(out.gathered, event.bytes);
            done = event.what == What::done;
            if (event.what != What::data) break;
        }
    }
    TRY(parser.finish());
    out.request = parser.take();
    return out;
}

}  // namespace s4::proto::gbs
