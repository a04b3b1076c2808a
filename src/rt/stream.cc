#include "rt/stream.h"

#include <fmt/format.h>

#include <charconv>

namespace s4::rt {

std::string Endpoint::to_string() const {
    if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
    return fmt::format("{}:{}", host, port);
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
    const auto refuse = [&] {
        return fail(
            ErrorKind::invalid, "rt.bad_endpoint",
            fmt::format(
                "'{}' is not an address; write HOST:PORT, for example 127.0.0.1:8080 or [::1]:8080",
                text));
    };
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return refuse();
    std::string_view host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    if (host.starts_with('[')) {
        if (!host.ends_with(']') || host.size() < 3) return refuse();
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return refuse();
    }
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty())
        return refuse();
    return Endpoint{std::string(host), port};
}

}  // namespace s4::rt
