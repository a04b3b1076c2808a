// What a request's head costs to parse: the version poll of a Tahoe client, and its allocate
// request.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "proto/http1/parser.h"
#include "proto/http1/serializer.h"

namespace s4::proto::http1 {
namespace {

constexpr std::string_view kVersion =
    "GET /storage/v1/version HTTP/1.1\r\n"
    "Authorization: Tahoe-LAFS enY3ejI0Nm5ob2N6bmp2ZmI1Nm9lY2M1cDRwczJqZnc=\r\n"
    "Accept: application/cbor\r\nAccept-Encoding: gzip\r\nHost: 127.0.0.1:37839\r\n\r\n";

constexpr std::string_view kAllocate =
    "POST /storage/v1/immutable/72okehjbuigv7aihvjibkbcne4 HTTP/1.1\r\nContent-Length: 40\r\n"
    "Authorization: Tahoe-LAFS enY3ejI0Nm5ob2N6bmp2ZmI1Nm9lY2M1cDRwczJqZnc=\r\n"
    "X-Tahoe-Authorization: lease-renew-secret 9DFA8XibiIN0B++BLOEYkT6/PXolFeh3ygYzi5o7jMg=\r\n"
    "X-Tahoe-Authorization: lease-cancel-secret Lgc8Tgt7RqzS97E9KO0n/FkFF4nakvm/2LkzRDbpBT0=\r\n"
    "X-Tahoe-Authorization: upload-secret vB494O23wlKeK6TyVKEi8tR/74E=\r\n"
    "Accept: application/cbor\r\nContent-Type: application/cbor\r\nAccept-Encoding: gzip\r\n"
    "Host: 127.0.0.1:37839\r\n\r\n0123456789012345678901234567890123456789";

void parse(benchmark::State& state, std::string_view wire) {
    RequestParser parser;
    for (auto _ : state) {
        parser.reset();
        std::size_t at = 0;
        for (;;) {
            const auto step = parser.next(as_bytes(wire.substr(at)));
            CHECK(step && step->what != Step::What::need_more, "the request is whole");
            at += step->consumed;
            if (step->what == Step::What::end) break;
        }
    }
}
BENCHMARK_CAPTURE(parse, version, kVersion);
BENCHMARK_CAPTURE(parse, allocate, kAllocate);

void write_answer(benchmark::State& state) {
    ByteBuffer out;
    for (auto _ : state) {
        out.clear();
        begin_response(out, 200);
        add_field(out, "Content-Type", "application/cbor");
        add_field(out, "Content-Length", std::uint64_t{190});
        end_head(out);
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(write_answer);

}  // namespace
}  // namespace s4::proto::http1
