#include "proto/foolscap/furl.h"

#include <algorithm>
#include <charconv>

#include "codec/base32.h"
#include "crypto/hash.h"
#include "proto/foolscap/limits.h"

namespace s4::proto::foolscap {
namespace {

constexpr std::string_view kScheme = "pb://";

std::unexpected<Error> invalid(std::string_view what) {
    return fail(ErrorKind::invalid, "furl.invalid",
                "not a FURL (pb://TUBID@HINTS/NAME): " + std::string(what));
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Result<std::vector<std::string>> parse_hints(std::string_view text) {
    std::vector<std::string> hints;
    if (text.empty()) return hints;
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view hint = text.substr(0, comma);
        if (hint.empty()) return invalid("a connection hint is empty");
        if (hints.size() == kFurlHintsMax) return invalid("too many connection hints");
        hints.emplace_back(hint);
        if (comma == std::string_view::npos) return hints;
        text.remove_prefix(comma + 1);
    }
}

}  // namespace

bool is_tub_id(std::string_view text) {
    return text.size() == kTubIdSize && codec::base32::decode(text).has_value();
}

std::string tub_id_of(ByteView certificate_der) {
    return codec::base32::encode(crypto::sha1(certificate_der));
}

std::optional<TcpAddress> parse_tcp_hint(std::string_view hint) {
    constexpr std::string_view kind = "tcp:";
    if (hint.starts_with(kind)) hint.remove_prefix(kind.size());
    const std::size_t colon = hint.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = hint.substr(0, colon);
    const std::string_view digits = hint.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.contains(':')) {
        return std::nullopt;  // another kind ("tor:HOST:PORT"), or an IPv6 literal without brackets
    }
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (host.empty() || error != std::errc{} || end != digits.data() + digits.size() || port == 0)
        return std::nullopt;
    return TcpAddress{std::string(host), port};
}

std::string format_tcp_hint(const TcpAddress& address) {
    const bool v6 = address.host.contains(':');
    return "tcp:" + (v6 ? "[" + address.host + "]" : address.host) + ":" +
           std::to_string(address.port);
}

Result<Furl> Furl::parse(std::string_view text) {
    if (text.size() > kFurlBytesMax) return invalid("too long");
    if (!text.starts_with(kScheme)) return invalid("it does not begin with pb://");
    if (!is_printable(text)) return invalid("it holds spaces or characters that are not ASCII");
    text.remove_prefix(kScheme.size());
    const std::size_t at = text.find('@');
    if (at == std::string_view::npos) return invalid("no @ after the tub id");
    const std::size_t slash = text.find('/', at);
    if (slash == std::string_view::npos) return invalid("no / before the name");

    Furl furl;
    furl.tub_id = text.substr(0, at);
    if (!is_tub_id(furl.tub_id)) return invalid("the tub id is not 32 characters of base32");
    furl.hints = TRY(parse_hints(text.substr(at + 1, slash - at - 1)));
    furl.name = text.substr(slash + 1);
    if (furl.name.empty()) return invalid("the name is empty");
    return furl;
}

std::string Furl::format() const {
    std::string out = std::string(kScheme) + tub_id + "@";
    for (std::size_t i = 0; i < hints.size(); ++i) {
        if (i > 0) out += ',';
        out += hints[i];
    }
    return out + "/" + name;
}

std::vector<TcpAddress> Furl::tcp_addresses() const {
    std::vector<TcpAddress> out;
    for (const std::string& hint : hints)
        if (auto address = parse_tcp_hint(hint)) out.push_back(*std::move(address));
    return out;
}

}  // namespace s4::proto::foolscap
