#include "proto/gbs/nurl.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "codec/base64.h"
#include "proto/gbs/limits.h"

namespace s4::proto::gbs {

namespace {

std::unexpected<Error> bad(std::string_view what) {
    return fail(ErrorKind::invalid, "gbs.bad_nurl",
                fmt::format("not a NURL (pb://HASH@HOST:PORT/SWISSNUM#v=1): {}", what));
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

// What stands before `mark`, which is taken off with it; nothing if `mark` is missing.
std::optional<std::string_view> take_until(std::string_view& text, char mark) {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view head = text.substr(0, at);
    text.remove_prefix(at + 1);
    return head;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

}  // namespace

bool is_swissnum(std::string_view text) {
    return !text.empty() && text.size() <= 256 && std::ranges::all_of(text, is_unreserved);
}

Result<Nurl> Nurl::parse(std::string_view text) {
    if (text.size() > kNurlBytesMax) return bad("it is too long");
    Nurl nurl;
    nurl.over_tor = take_prefix(text, "pb+tor://");
    if (!nurl.over_tor && !take_prefix(text, "pb://"))
        return bad("it does not begin with pb:// or pb+tor://");

    const auto hash_text = take_until(text, '@');
    if (!hash_text) return bad("no @ follows the hash");
    const auto hash = codec::base64::decode_url(*hash_text);
    if (!hash || hash->size() != nurl.spki_hash.size())
        return bad("the hash is not 43 characters of base64url");
    std::ranges::copy(*hash, nurl.spki_hash.begin());

    const auto host = take_until(text, ':');
    if (!host || host->empty() || !std::ranges::all_of(*host, is_unreserved))
        return bad("no host name or IPv4 address follows the @");
    nurl.host = *host;

    const auto digits = take_until(text, '/');
    if (!digits) return bad("no port and / follow the host");
    const auto [end, ec] =
        std::from_chars(digits->data(), digits->data() + digits->size(), nurl.port);
    if (ec != std::errc() || end != digits->data() + digits->size() || nurl.port == 0)
        return bad("the port is not a number from 1 to 65535");

    const auto swissnum = take_until(text, '#');
    if (!swissnum || !is_swissnum(*swissnum)) return bad("no swissnum and # follow the port");
    nurl.swissnum = Secret(as_bytes(*swissnum));
    if (text != "v=1") return bad("it does not end with #v=1");
    return nurl;
}

Secret Nurl::to_text() const {
    return Secret(as_bytes(fmt::format("pb{}://{}@{}:{}/{}#v=1", over_tor ? "+tor" : "",
                                       codec::base64::encode_url(spki_hash), host, port,
                                       swissnum.reveal_text())));
}

}  // namespace s4::proto::gbs
