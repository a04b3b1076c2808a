// The initial vocabulary tables (A.9): words that travel as an index. Table 0 is empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace s4::proto::foolscap {

inline constexpr int kVocabularyTableMax = 1;

// The word at `index`, or nothing past the end of the table.
std::optional<std::string_view> vocabulary_word(int table, std::uint64_t index);
std::optional<std::uint64_t> vocabulary_index(int table, ByteView word);
// Four hex digits by which two peers see that they mean the same table.
std::string vocabulary_hash(int table);

}  // namespace s4::proto::foolscap
