// CBOR bodies of every message: what is accepted is the same after being written and read again,
// and read-test-write does not depend on how the body was cut.
#include "base/check.h"
#include "proto/gbs/messages.h"
#include "proto/gbs/pieces_test.h"
#include "proto/gbs/read_test_write.h"

namespace s4::proto::gbs {
namespace {

void check_slot(ByteView body, std::size_t step) {
    const auto whole = parse_in_pieces(body, body.size() + 1);
    const auto cut = parse_in_pieces(body, step);
    CHECK(whole.has_value() == cut.has_value(), "acceptance does not depend on the cuts");
    if (!whole) return;
    CHECK(whole->request == cut->request && whole->gathered == cut->gathered,
          "the meaning does not depend on the cuts");
    const auto again = parse_in_pieces(encode(whole->request, whole->gathered), step);
    CHECK(again && again->request.reads == whole->request.reads &&
              again->gathered.size() == whole->gathered.size(),
          "a request survives being written and read");
}

template <typename T, typename Parse>
void check_round(const Result<T>& parsed, Parse parse) {
    if (!parsed) return;
    const ByteBuffer written = encode(*parsed);
    const auto again = parse(ByteView(written));
    CHECK(again && *again == *parsed, "a body survives being written and read");
}

}  // namespace
}  // namespace s4::proto::gbs

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4::proto::gbs;
    if (size < 2) return 0;
    const s4::ByteView body(data + 2, size - 2);
    switch (data[0] % 8) {
        case 0:
            check_round(parse_version_answer(body), parse_version_answer);
            break;
        case 1:
            check_round(parse_allocate_request(body), parse_allocate_request);
            break;
        case 2:
            check_round(parse_allocate_answer(body), parse_allocate_answer);
            break;
        case 3:
            (void)parse_required(body);
            break;
        case 4:
            (void)parse_share_list(body);
            break;
        case 5:
            (void)parse_reason(body);
            break;
        case 6:
            (void)parse_read_test_write_answer(body);
            break;
        default:
            check_slot(body, 1 + data[1] % 64);
    }
    return 0;
}
