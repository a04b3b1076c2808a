// Which of the protocol's twelve requests this is (reference D.5): path and method to Route, and
// back for the client.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/http1/message.h"

namespace s4::proto::gbs {

using StorageIndex = std::array<std::uint8_t, 16>;
using ShareNumber = std::uint32_t;

enum class Route : std::uint8_t {
    version,
    lease,
    allocate,
    write,
    abort,
    immutable_shares,
    immutable_read,
    immutable_corrupt,
    read_test_write,
    mutable_shares,
    mutable_read,
    mutable_corrupt,
};
inline constexpr std::size_t kRouteCount = 12;

std::string_view name_of(Route route);  // "immutable_read": for metrics and logs

struct Target {
    Route route = Route::version;
    StorageIndex index{};   // zeros for version
    ShareNumber share = 0;  // of the routes that name one
};

struct RouteMatch {
    enum class What : std::uint8_t { found, no_such_path, wrong_method };
    What what = What::no_such_path;
    Target target = {};           // when found
    std::string_view allow = {};  // when the method is wrong: what Allow says
};

// HEAD is taken wherever GET is. A share number that no share can have is no such path.
RouteMatch match(http1::Method method, std::string_view path);

http1::Method method_of(Route route);
std::string path_of(const Target& target);

}  // namespace s4::proto::gbs
