#include "proto/foolscap/vocabulary.h"

#include <array>
#include <span>

#include "base/check.h"
#include "crypto/hash.h"

namespace s4::proto::foolscap {
namespace {

constexpr std::array<std::string_view, 25> kTable1{
    "none",      "boolean",       "reference", "dict",         "list",           "tuple",
    "set",       "immutable-set", "unicode",   "set-vocab",    "add-vocab",      "call",
    "arguments", "answer",        "error",     "my-reference", "your-reference", "their-reference",
    "copyable",  "instance",      "module",    "class",        "method",         "function",
    "attrdict",
};
constexpr std::size_t kWordBytesMax = 15;

std::span<const std::string_view> words(int table) {
    CHECK(table >= 0 && table <= kVocabularyTableMax, "negotiation agreed on a known table");
    if (table == 0) return {};
    return kTable1;
}

}  // namespace

std::optional<std::string_view> vocabulary_word(int table, std::uint64_t index) {
    const auto all = words(table);
    if (index >= all.size()) return std::nullopt;
    return all[index];
}

std::optional<std::uint64_t> vocabulary_index(int table, ByteView word) {
    if (word.size() > kWordBytesMax) return std::nullopt;
    const auto all = words(table);
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i] == as_text(word)) return i;
    return std::nullopt;
}

std::string vocabulary_hash(int table) {
    std::string joined;
    for (const std::string_view word : words(table)) {
        if (!joined.empty()) joined.push_back('\0');
        joined += word;
    }
    const crypto::Sha1Digest digest = crypto::sha1(as_bytes(joined));
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (int i = 0; i < 2; ++i) {
        out += digits[digest[i] >> 4];
        out += digits[digest[i] & 15];
    }
    return out;
}

}  // namespace s4::proto::foolscap
