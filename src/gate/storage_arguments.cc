#include "gate/storage_arguments.h"

#include <fmt/format.h>

#include <utility>

#include "wire/foolscap_object.h"

namespace s4::gate {

namespace pf = proto::foolscap;
using wire::bad_argument;

namespace {

constexpr std::size_t kSecretBytes = 32;

// A byte string of exactly `size` bytes, with the reference's words for others.
Argument<ByteView> fixed(const pf::Value* value, std::string_view name, std::size_t size) {
    const auto bytes = value == nullptr ? std::nullopt : value->as_bytes();
    if (!bytes) return bad_argument(name, "not a bytestring");
    if (bytes->size() < size)
        return bad_argument(name, fmt::format("string too short ({} < {})", bytes->size(), size));
    if (bytes->size() > size)
        return bad_argument(name, fmt::format("string too long ({} > {})", bytes->size(), size));
    return *bytes;
}

Argument<Secret> secret(const pf::Value* value, std::string_view name) {
    auto bytes = fixed(value, name, kSecretBytes);
    if (!bytes) return std::unexpected(std::move(bytes).error());
    return Secret(*bytes);
}

std::optional<storage::ShareNumber> share_number(const pf::Value& value) {
    const auto number = value.as_u64();
    if (!number || *number > storage::kShareNumberMax) return std::nullopt;
    return static_cast<storage::ShareNumber>(*number);
}

// (offset, length)
std::optional<storage::ByteRange> byte_range(const pf::Value& value) {
    const auto* pair = value.as_tuple();
    if (pair == nullptr || pair->size() != 2) return std::nullopt;
    const auto offset = (*pair)[0].as_u64();
    const auto size = (*pair)[1].as_u64();
    if (!offset || !size) return std::nullopt;
    return storage::ByteRange{*offset, *size};
}

// [(offset, length, operator, specimen)...]; clients send the operator "eq" alone.
Argument<std::vector<storage::TestVector>> test_vector(const pf::Value& value) {
    const auto* items = value.as_list();
    if (items == nullptr || items->size() > storage::kTestVectorsPerShareMax)
        return bad_argument("tw_vectors", "not a list of at most 30 test vectors");
    std::vector<storage::TestVector> out;
    for (const pf::Value& item : *items) {
        const auto* parts = item.as_tuple();
        const auto offset = parts && parts->size() == 4 ? (*parts)[0].as_u64() : std::nullopt;
        const auto size = parts && parts->size() == 4 ? (*parts)[1].as_u64() : std::nullopt;
        if (!offset || !size) return bad_argument("tw_vectors", "not a test vector");
        if ((*parts)[2] != pf::Value::bytes("eq"))
            return std::unexpected(pf::Failure::make("builtins.AssertionError", ""));
        const auto specimen = (*parts)[3].as_bytes();
        if (!specimen) return bad_argument("tw_vectors", "a specimen is not a short bytestring");
        out.push_back({*offset, *size, to_buffer(*specimen)});
    }
    return out;
}

// [(offset, data)...]
Argument<std::vector<SlotWrites::Write>> data_vector(const pf::Value& value) {
    const auto* items = value.as_list();
    if (items == nullptr) return bad_argument("tw_vectors", "not a list of data vectors");
    std::vector<SlotWrites::Write> out;
    for (const pf::Value& item : *items) {
        const auto* parts = item.as_tuple();
        const auto offset = parts && parts->size() == 2 ? (*parts)[0].as_u64() : std::nullopt;
        if (!offset || (!(*parts)[1].as_bytes() && (*parts)[1].as_streamed() == nullptr))
            return bad_argument("tw_vectors", "not a data vector");
        out.push_back({*offset, &(*parts)[1]});
    }
    return out;
}

// (test vector, data vector, new length or none)
Argument<SlotWrites::Share> share_writes(const pf::Value& value) {
    const auto* parts = value.as_tuple();
    if (parts == nullptr || parts->size() != 3)
        return bad_argument("tw_vectors", "not a tuple of tests, writes and new length");
    auto tests = test_vector((*parts)[0]);
    if (!tests) return std::unexpected(std::move(tests).error());
    auto writes = data_vector((*parts)[1]);
    if (!writes) return std::unexpected(std::move(writes).error());
    SlotWrites::Share out;
    out.tests.tests = *std::move(tests);
    out.writes = *std::move(writes);
    const pf::Value& new_length = (*parts)[2];
    if (!new_length.is_none()) {
        out.tests.new_length = new_length.as_u64();
        if (!out.tests.new_length) return bad_argument("tw_vectors", "new_length is not a number");
    }
    return out;
}

}  // namespace

Argument<storage::StorageIndex> StorageArguments::storage_index(std::size_t position) const {
    const auto bytes =
        fixed(find(position, "storage_index"), "storage_index", storage::kStorageIndexBytes);
    if (!bytes) return std::unexpected(bytes.error());
    return *storage::StorageIndex::from_bytes(*bytes);
}

Argument<storage::LeaseSecrets> StorageArguments::lease_secrets(std::size_t position) const {
    auto renew = secret(find(position, "renew_secret"), "renew_secret");
    if (!renew) return std::unexpected(std::move(renew).error());
    auto cancel = secret(find(position + 1, "cancel_secret"), "cancel_secret");
    if (!cancel) return std::unexpected(std::move(cancel).error());
    return storage::LeaseSecrets{*std::move(renew), *std::move(cancel)};
}

Argument<std::uint64_t> StorageArguments::number(std::size_t position,
                                                 std::string_view name) const {
    const pf::Value* value = find(position, name);
    const auto number = value == nullptr ? std::nullopt : value->as_u64();
    if (!number) return bad_argument(name, "not a number of at most 8 bytes");
    return *number;
}

Argument<std::string> StorageArguments::text(std::size_t position, std::string_view name,
                                             std::size_t bytes_max) const {
    const pf::Value* value = find(position, name);
    const auto bytes = value == nullptr ? std::nullopt : value->as_bytes();
    if (!bytes) return bad_argument(name, "not a bytestring");
    if (bytes->size() > bytes_max)
        return bad_argument(name,
                            fmt::format("string too long ({} > {})", bytes->size(), bytes_max));
    return to_string(*bytes);
}

Argument<std::vector<storage::ShareNumber>> StorageArguments::shares(std::size_t position,
                                                                     std::string_view name) const {
    const pf::Value* value = find(position, name);
    const auto* items = value == nullptr ? nullptr : value->as_sequence();
    if (items == nullptr) return bad_argument(name, "not a set or list of share numbers");
    if (items->size() > storage::kSharesPerCallMax)
        return bad_argument(name, fmt::format("too many share numbers ({} > {})", items->size(),
                                              storage::kSharesPerCallMax));
    std::vector<storage::ShareNumber> out;
    for (const pf::Value& item : *items) {
        const auto share = share_number(item);
        if (!share) return bad_argument(name, "not a share number");
        out.push_back(*share);
    }
    return out;
}

Argument<std::vector<storage::ByteRange>> StorageArguments::read_vector(
    std::size_t position, std::string_view name) const {
    const pf::Value* value = find(position, name);
    const auto* items = value == nullptr ? nullptr : value->as_list();
    if (items == nullptr) return bad_argument(name, "not a list");
    if (items->size() > storage::kReadVectorsMax)
        return bad_argument(name, fmt::format("too many read vectors ({} > {})", items->size(),
                                              storage::kReadVectorsMax));
    std::vector<storage::ByteRange> out;
    for (const pf::Value& item : *items) {
        const auto range = byte_range(item);
        if (!range) return bad_argument(name, "not a read vector");
        out.push_back(*range);
    }
    return out;
}

Argument<SlotSecrets> slot_secrets(const pf::Value* value) {
    const auto* parts = value == nullptr ? nullptr : value->as_tuple();
    if (parts == nullptr || parts->size() != 3)
        return bad_argument("secrets", "not a tuple of three secrets");
    auto enabler = secret(&(*parts)[0], "secrets");
    if (!enabler) return std::unexpected(std::move(enabler).error());
    auto renew = secret(&(*parts)[1], "secrets");
    if (!renew) return std::unexpected(std::move(renew).error());
    auto cancel = secret(&(*parts)[2], "secrets");
    if (!cancel) return std::unexpected(std::move(cancel).error());
    return SlotSecrets{*std::move(enabler), {*std::move(renew), *std::move(cancel)}};
}

Argument<SlotWrites> slot_writes(const pf::Value* value) {
    const auto* entries = value == nullptr ? nullptr : value->as_dict();
    if (entries == nullptr) return bad_argument("tw_vectors", "not a Dictionary");
    if (entries->size() > storage::kSharesPerCallMax)
        return bad_argument("tw_vectors", "too many shares");
    SlotWrites out;
    for (const auto& [key, vectors] : *entries) {
        const auto share = share_number(key);
        if (!share) return bad_argument("tw_vectors", "not a share number");
        auto writes = share_writes(vectors);
        if (!writes) return std::unexpected(std::move(writes).error());
        out.shares.emplace(*share, *std::move(writes));
    }
    return out;
}

}  // namespace s4::gate
