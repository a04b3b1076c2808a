#include "tahoe/share_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/check.h"
#include "crypto/hash.h"

namespace s4::tahoe {
namespace {

// A line of text, then five bytes that no text has. Those of version 2 were made from a hash of the
// line; here they are constants, as in every file.
constexpr std::size_t kMagicBytes = 32;
constexpr std::string_view kMagicPrefix = "Tahoe mutable container v";
constexpr std::string_view kMagic1 = "Tahoe mutable container v1\n\x75\x09\x44\x03\x8e";
constexpr std::string_view kMagic2 = "Tahoe mutable container v2\n\xc3\x55\x21\x99\x25";
static_assert(kMagic1.size() == kMagicBytes && kMagic2.size() == kMagicBytes);

constexpr std::size_t kExtraCountBytes = 4;

std::unexpected<Error> cut(std::string message) {
    return fail(ErrorKind::corrupt, "tahoe.cut", std::move(message));
}

std::unexpected<Error> too_many_leases(std::uint64_t count) {
    return fail(ErrorKind::too_large, "tahoe.too_many_leases",
                fmt::format("it names {} leases; at most {} are read", count, kLeasesMax));
}

SecretHash hash_of(ByteView secret, Version version) {
    if (version == Version::v1) return crypto::blake2b_256(secret);
    SecretHash out;
    std::copy(secret.begin(), secret.end(), out.begin());
    return out;
}

// The caller has seen that a whole record is there.
Lease read_immutable_lease(ByteReader& reader, Version version) {
    Lease out;
    out.owner = *reader.u32();
    out.renew_hash = hash_of(*reader.take(32), version);
    out.cancel_hash = hash_of(*reader.take(32), version);
    out.expires_s = *reader.u32();
    return out;
}

// Nothing for a free slot.
std::optional<Lease> read_mutable_lease(ByteReader& reader, Version version) {
    Lease out;
    out.owner = *reader.u32();
    out.expires_s = *reader.u32();
    const ByteView renew = *reader.take(32);
    const ByteView cancel = *reader.take(32);
    (void)reader.take(kTubIdBytes);
    if (out.owner == 0) return std::nullopt;
    out.renew_hash = hash_of(renew, version);
    out.cancel_hash = hash_of(cancel, version);
    return out;
}

void write_mutable_lease(ByteWriter& out, const TubId& tub_id, const Lease& lease) {
    out.u32(lease.owner).u32(lease.expires_s);
    out.bytes(lease.renew_hash).bytes(lease.cancel_hash).bytes(tub_id);
}

Result<ShareFile> parse_mutable(ByteView head, std::uint64_t file_bytes, Version version) {
    if (head.size() < kMutableHeadBytes)
        return cut(fmt::format("it has {} bytes, less than its head", file_bytes));
    ByteReader reader(head);
    (void)reader.take(kMagicBytes);
    ShareFile out;
    out.kind = Kind::mutable_;
    out.version = version;
    const ByteView tub_id = *reader.take(kTubIdBytes);
    std::copy(tub_id.begin(), tub_id.end(), out.tub_id.begin());
    out.write_enabler = Secret(*reader.take(kWriteEnablerBytes));
    out.data_at = kMutableHeadBytes;
    out.data_bytes = *reader.u64();
    out.leases_at = *reader.u64();
    if (out.data_bytes > kMutableDataBytesMax)
        return fail(ErrorKind::corrupt, "tahoe.bad_head",
                    fmt::format("it claims {} bytes of data", out.data_bytes));
    if (out.leases_at < kMutableHeadBytes + out.data_bytes)
        return fail(ErrorKind::corrupt, "tahoe.bad_head",
                    "its further leases would lie within its data");
    if (file_bytes < kExtraCountBytes || out.leases_at > file_bytes - kExtraCountBytes)
        return cut(fmt::format("it has {} bytes; its {} bytes of data and its leases need more",
                               file_bytes, out.data_bytes));
    for (std::size_t i = 0; i < kLeasesInHead; ++i)
        if (auto lease = read_mutable_lease(reader, version)) out.leases_in_head.push_back(*lease);
    out.leases_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(
        file_bytes - out.leases_at, kExtraCountBytes + kLeasesMax * kMutableLeaseBytes));
    return out;
}

Result<ShareFile> parse_immutable(ByteView head, std::uint64_t file_bytes) {
    ByteReader reader(head);
    const auto version = reader.u32();
    const auto noted_bytes = reader.u32();
    const auto leases = reader.u32();
    if (!leases) return cut(fmt::format("it has {} bytes, less than its head", file_bytes));
    if (*version != 1 && *version != 2)
        return fail(ErrorKind::unsupported, "tahoe.unknown_version",
                    fmt::format("it is no share, or of an unknown version ({})", *version));
    if (*leases > kLeasesMax) return too_many_leases(*leases);
    ShareFile out;
    out.version = static_cast<Version>(*version);
    out.data_at = kImmutableHeadBytes;
    out.leases_bytes = *leases * kImmutableLeaseBytes;
    if (file_bytes < kImmutableHeadBytes + out.leases_bytes)
        return cut(
            fmt::format("it has {} bytes, less than its {} leases need", file_bytes, *leases));
    out.leases_at = file_bytes - out.leases_bytes;
    out.data_bytes = out.leases_at - out.data_at;
    // Tahoe notes the length and reads it no more. It is the one sign that a file was cut, since
    // the leases are found from the end.
    if (std::min<std::uint64_t>(out.data_bytes, UINT32_MAX) != *noted_bytes)
        return cut(fmt::format("its head notes {} bytes of data, and {} are there", *noted_bytes,
                               out.data_bytes));
    return out;
}

}  // namespace

Result<ShareFile> parse_head(ByteView head, std::uint64_t file_bytes) {
    CHECK(head.size() == std::min<std::uint64_t>(file_bytes, kHeadBytes),
          "a head is the file's first bytes");
    const std::string_view magic = as_text(head.first(std::min(head.size(), kMagicBytes)));
    if (magic == kMagic1) return parse_mutable(head, file_bytes, Version::v1);
    if (magic == kMagic2) return parse_mutable(head, file_bytes, Version::v2);
    if (magic.size() < kMagicBytes && (kMagic1.starts_with(magic) || kMagic2.starts_with(magic)))
        return cut(fmt::format("it has {} bytes, less than its head", file_bytes));
    if (magic.starts_with(kMagicPrefix))
        return fail(ErrorKind::unsupported, "tahoe.unknown_version",
                    "it is a mutable share of an unknown version");
    return parse_immutable(head, file_bytes);
}

Result<std::vector<Lease>> parse_leases(const ShareFile& file, ByteView bytes) {
    std::vector<Lease> out = file.leases_in_head;
    ByteReader reader(bytes);
    if (file.kind == Kind::immutable) {
        if (bytes.size() < file.leases_bytes) return cut("its leases are cut off");
        while (reader.remaining() >= kImmutableLeaseBytes)
            out.push_back(read_immutable_lease(reader, file.version));
        return out;
    }
    const auto count = reader.u32();
    if (!count) return cut("its further leases are cut off");
    if (*count > kLeasesMax - kLeasesInHead) return too_many_leases(*count);
    if (reader.remaining() < *count * kMutableLeaseBytes)
        return cut(fmt::format("its {} further leases are cut off", *count));
    for (std::uint32_t i = 0; i < *count; ++i)
        if (auto lease = read_mutable_lease(reader, file.version)) out.push_back(*lease);
    return out;
}

ByteBuffer write_immutable_head(std::uint64_t data_bytes, std::size_t leases) {
    CHECK(leases <= kLeasesMax, "a share file's leases are bounded");
    ByteWriter out;
    out.u32(2);
    out.u32(static_cast<std::uint32_t>(std::min<std::uint64_t>(data_bytes, UINT32_MAX)));
    out.u32(static_cast<std::uint32_t>(leases));
    return std::move(out).take();
}

ByteBuffer write_immutable_tail(std::span<const Lease> leases) {
    CHECK(leases.size() <= kLeasesMax, "a share file's leases are bounded");
    ByteWriter out;
    for (const Lease& lease : leases)
        out.u32(lease.owner).bytes(lease.renew_hash).bytes(lease.cancel_hash).u32(lease.expires_s);
    return std::move(out).take();
}

ByteBuffer write_mutable_head(const TubId& tub_id, const Secret& write_enabler,
                              std::uint64_t data_bytes, std::span<const Lease> leases) {
    CHECK(write_enabler.size() == kWriteEnablerBytes, "Tahoe's write enablers have 32 bytes");
    ByteWriter out;
    out.text(kMagic2).bytes(tub_id).bytes(write_enabler.reveal());
    out.u64(data_bytes).u64(kMutableHeadBytes + data_bytes);
    for (const Lease& lease : leases.first(std::min(leases.size(), kLeasesInHead)))
        write_mutable_lease(out, tub_id, lease);
    ByteBuffer head = std::move(out).take();
    head.resize(kMutableHeadBytes);
    return head;
}

ByteBuffer write_mutable_tail(const TubId& tub_id, std::span<const Lease> leases) {
    CHECK(leases.size() <= kLeasesMax, "a share file's leases are bounded");
    const auto extra = leases.subspan(std::min(leases.size(), kLeasesInHead));
    ByteWriter out;
    out.u32(static_cast<std::uint32_t>(extra.size()));
    for (const Lease& lease : extra) write_mutable_lease(out, tub_id, lease);
    return std::move(out).take();
}

}  // namespace s4::tahoe
