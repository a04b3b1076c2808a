#include "proto/gbs/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "codec/base32.h"
#include "proto/gbs/limits.h"

namespace s4::proto::gbs {

namespace {

using http1::Method;

constexpr std::string_view kPrefix = "/storage/v1/";
constexpr std::size_t kIndexTextBytes = 26;

// The shapes of paths behind the prefix. Two requests share a shape when only their methods differ.
enum class Shape : std::uint8_t {
    version,            // version
    lease,              // lease/:si
    immutable,          // immutable/:si
    immutable_shares,   // immutable/:si/shares
    immutable_share,    // immutable/:si/:n
    immutable_abort,    // immutable/:si/:n/abort
    immutable_corrupt,  // immutable/:si/:n/corrupt
    mutable_rtw,        // mutable/:si/read-test-write
    mutable_shares,     // mutable/:si/shares
    mutable_share,      // mutable/:si/:n
    mutable_corrupt,    // mutable/:si/:n/corrupt
};

struct Row {
    Route route;
    Method method;
    Shape shape;
    std::string_view name;
};

constexpr std::array<Row, kRouteCount> kRows{{
    {Route::version, Method::get, Shape::version, "version"},
    {Route::lease, Method::put, Shape::lease, "lease"},
    {Route::allocate, Method::post, Shape::immutable, "allocate"},
    {Route::write, Method::patch, Shape::immutable_share, "write"},
    {Route::abort, Method::put, Shape::immutable_abort, "abort"},
    {Route::immutable_shares, Method::get, Shape::immutable_shares, "immutable_shares"},
    {Route::immutable_read, Method::get, Shape::immutable_share, "immutable_read"},
    {Route::immutable_corrupt, Method::post, Shape::immutable_corrupt, "immutable_corrupt"},
    {Route::read_test_write, Method::post, Shape::mutable_rtw, "read_test_write"},
    {Route::mutable_shares, Method::get, Shape::mutable_shares, "mutable_shares"},
    {Route::mutable_read, Method::get, Shape::mutable_share, "mutable_read"},
    {Route::mutable_corrupt, Method::post, Shape::mutable_corrupt, "mutable_corrupt"},
}};

const Row& row_of(Route route) {
    const Row& row = kRows[static_cast<std::size_t>(route)];
    CHECK(row.route == route, "the rows stand in the order of the routes");
    return row;
}

std::string_view allow_of(Shape shape) {
    switch (shape) {
        case Shape::version:
        case Shape::immutable_shares:
        case Shape::mutable_shares:
        case Shape::mutable_share:
            return "GET, HEAD";
        case Shape::lease:
        case Shape::immutable_abort:
            return "PUT";
        case Shape::immutable:
        case Shape::immutable_corrupt:
        case Shape::mutable_rtw:
        case Shape::mutable_corrupt:
            return "POST";
        case Shape::immutable_share:
            return "GET, HEAD, PATCH";
    }
    UNREACHABLE("every shape has its methods");
}

// The next part of a path, up to a slash or the end.
std::string_view take_part(std::string_view& path) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    return part;
}

bool take_index(std::string_view text, StorageIndex& out) {
    if (text.size() != kIndexTextBytes) return false;
    const auto raw = codec::base32::decode(text);
    if (!raw || raw->size() != out.size()) return false;
    std::ranges::copy(*raw, out.begin());
    return true;
}

bool take_share(std::string_view text, ShareNumber& out) {
    std::uint64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (ec != std::errc() || end != text.data() + text.size() || number > kShareNumberMax)
        return false;
    out = static_cast<ShareNumber>(number);
    return true;
}

// What follows immutable/:si or mutable/:si.
std::optional<Shape> shape_below(bool is_immutable, std::string_view rest, ShareNumber& share) {
    if (rest == "shares") return is_immutable ? Shape::immutable_shares : Shape::mutable_shares;
    if (!is_immutable && rest == "read-test-write") return Shape::mutable_rtw;
    const bool has_verb = rest.contains('/');
    if (!take_share(take_part(rest), share)) return std::nullopt;
    if (!has_verb) return is_immutable ? Shape::immutable_share : Shape::mutable_share;
    if (is_immutable && rest == "abort") return Shape::immutable_abort;
    if (rest == "corrupt") return is_immutable ? Shape::immutable_corrupt : Shape::mutable_corrupt;
    return std::nullopt;
}

std::optional<Shape> shape_of(std::string_view path, Target& target) {
    if (!path.starts_with(kPrefix)) return std::nullopt;
    path.remove_prefix(kPrefix.size());
    if (path == "version") return Shape::version;
    const std::string_view kind = take_part(path);
    const bool has_rest = path.contains('/');
    if (!take_index(take_part(path), target.index)) return std::nullopt;
    if (kind == "lease") return has_rest ? std::nullopt : std::optional(Shape::lease);
    if (kind == "immutable" && !has_rest) return Shape::immutable;
    if ((kind != "immutable" && kind != "mutable") || !has_rest) return std::nullopt;
    return shape_below(kind == "immutable", path, target.share);
}

}  // namespace

std::string_view name_of(Route route) {
    return row_of(route).name;
}

RouteMatch match(Method method, std::string_view path) {
    Target target;
    const auto shape = shape_of(path, target);
    if (!shape) return {};
    const Method asked = method == Method::head ? Method::get : method;
    for (const Row& row : kRows) {
        if (row.shape != *shape || row.method != asked) continue;
        target.route = row.route;
        return {.what = RouteMatch::What::found, .target = target};
    }
    return {.what = RouteMatch::What::wrong_method, .allow = allow_of(*shape)};
}

Method method_of(Route route) {
    return row_of(route).method;
}

std::string path_of(const Target& target) {
    const std::string index = codec::base32::encode(target.index);
    const auto below = [&](std::string_view kind, std::string_view rest) {
        return fmt::format("{}{}/{}{}", kPrefix, kind, index, rest);
    };
    const auto share = [&](std::string_view kind, std::string_view verb) {
        return fmt::format("{}{}/{}/{}{}", kPrefix, kind, index, target.share, verb);
    };
    switch (row_of(target.route).shape) {
        case Shape::version:
            return fmt::format("{}version", kPrefix);
        case Shape::lease:
            return below("lease", "");
        case Shape::immutable:
            return below("immutable", "");
        case Shape::immutable_shares:
            return below("immutable", "/shares");
        case Shape::immutable_share:
            return share("immutable", "");
        case Shape::immutable_abort:
            return share("immutable", "/abort");
        case Shape::immutable_corrupt:
            return share("immutable", "/corrupt");
        case Shape::mutable_rtw:
            return below("mutable", "/read-test-write");
        case Shape::mutable_shares:
            return below("mutable", "/shares");
        case Shape::mutable_share:
            return share("mutable", "");
        case Shape::mutable_corrupt:
            return share("mutable", "/corrupt");
    }
    UNREACHABLE("every shape has its path");
}

}  // namespace s4::proto::gbs
