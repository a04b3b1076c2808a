// Id<Tag>: a database row's number that cannot be mixed up with another table's.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace s4 {

template <typename Tag>
struct Id {
    std::int64_t value = 0;  // 0 names nothing

    explicit operator bool() const { return value != 0; }
    friend auto operator<=>(const Id&, const Id&) = default;
};

using GridId = Id<struct GridTag>;
using SubscriptionId = Id<struct SubscriptionTag>;

}  // namespace s4

template <typename Tag>
struct std::hash<s4::Id<Tag>> {
    std::size_t operator()(s4::Id<Tag> id) const noexcept {
        return std::hash<std::int64_t>{}(id.value);
    }
};
