#include <charconv>

#include <fmt/format.h>

#include "blob/store.h"
#include "codec/hex.h"

namespace s4::blob {

std::string Key::text() const {
    const std::string name = codec::hex::encode(name_);
    return fmt::format("{}/{}/{}", grid_.value, name[0], name);
}

std::optional<GridId> Key::parse_grid(std::string_view text) {
    GridId grid;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), grid.value);
    if (error != std::errc() || grid.value <= 0) return std::nullopt;
    if (fmt::to_string(grid.value) != text) return std::nullopt;  // one number has one spelling
    return grid;
}

std::optional<Key> Key::parse(std::string_view text) {
    const auto grid = parse_grid(text.substr(0, text.find('/')));
    if (!grid) return std::nullopt;
    const std::string_view name = text.substr(text.size() - std::min(text.size(), 2 * kNameBytes));
    const auto raw = codec::hex::decode(name);
    if (!raw || raw->size() != kNameBytes) return std::nullopt;
    Name bytes;
    std::copy(raw->begin(), raw->end(), bytes.begin());
    const Key key(*grid, bytes);
    if (key.text() != text) return std::nullopt;  // one key has one spelling
    return key;
}

}  // namespace s4::blob
