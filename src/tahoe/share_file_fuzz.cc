// A share file as a damaged disk or a foreign hand may leave it: the first eight bytes are the
// file's size, the rest its first and last bytes. What is accepted lies within the file, and what
// is written from it reads the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tahoe/share_file.h"

namespace {

using namespace s4;
using namespace s4::tahoe;

// The file that holds `leases` and no data, read again.
std::vector<Lease> read_again(const ShareFile& file, const std::vector<Lease>& leases) {
    ByteBuffer bytes;
    if (file.kind == Kind::immutable) {
        bytes = write_immutable_head(0, leases.size());
        append(bytes, write_immutable_tail(leases));
    } else {
        bytes = write_mutable_head(file.tub_id, file.write_enabler, 0, leases);
        append(bytes, write_mutable_tail(file.tub_id, leases));
    }
    const auto again =
        parse_head(ByteView(bytes).first(std::min(bytes.size(), kHeadBytes)), bytes.size());
    CHECK(again.has_value(), "what is written is accepted");
    CHECK(again->kind == file.kind && again->tub_id == file.tub_id, "a head comes back");
    const auto read = parse_leases(*again, ByteView(bytes).subspan(again->leases_at));
    CHECK(read.has_value(), "leases that are written are accepted");
    return *read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ByteReader reader(ByteView(data, size));
    const auto noted = reader.u64();
    if (!noted) return 0;
    const ByteView rest = reader.rest();
    // Small files are whole; of larger ones the head is here and the leases follow it.
    const std::uint64_t file_bytes =
        rest.size() < kHeadBytes ? rest.size() : std::max<std::uint64_t>(*noted, kHeadBytes);
    const auto file = parse_head(rest.first(std::min(rest.size(), kHeadBytes)), file_bytes);
    if (!file) return 0;
    CHECK(file->data_at + file->data_bytes <= file->leases_at, "data ends before the leases");
    CHECK(file->leases_at + file->leases_bytes <= file_bytes, "the leases lie in the file");
    const ByteView behind = rest.subspan(std::min(rest.size(), kHeadBytes));
    const auto leases =
        parse_leases(*file, behind.first(std::min(behind.size(), file->leases_bytes)));
    if (!leases) return 0;
    CHECK(leases->size() <= kLeasesMax, "leases are bounded");
    CHECK(read_again(*file, *leases) == *leases, "leases come back");
    return 0;
}
