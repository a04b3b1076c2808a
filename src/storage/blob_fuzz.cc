// A share's blob as a damaged disk or a foreign hand may leave it. Whatever the verifier accepts
// must be what the writer writes.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "storage/blob_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4;
    using namespace s4::storage;
    const ByteView bytes(data, size);
    BlobVerifier verifier;
    for (ByteView rest = bytes; !rest.empty();) {
        const std::size_t n = std::min<std::size_t>(rest.size(), 1 + rest[0]);
        if (!verifier.append(rest.first(n))) return 0;
        rest = rest.subspan(n);
    }
    if (!verifier.finish()) return 0;
    const BlobHeader& header = verifier.header();
    ByteBuffer again(kBlobHeaderBytes);
    append(again, bytes.subspan(kBlobHeaderBytes, static_cast<std::size_t>(header.data.size)));
    close_blob(header, again, write_commit_record(verifier.record()));
    // Bytes of the header that mean nothing are not kept.
    CHECK(equal(ByteView(again).subspan(kBlobHeaderBytes), bytes.subspan(kBlobHeaderBytes)),
          "what is accepted is what is written");
    CHECK(parse_header(again) == header, "a header comes back");
    return 0;
}
