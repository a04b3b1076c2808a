#include "introducer/announcement.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/base32.h"
#include "introducer/limits.h"

namespace s4::introducer {
namespace {

namespace json = codec::json;

constexpr std::string_view kVersionPrefix = "v0-";
constexpr std::size_t kNonceBytes = 32;

// Keys of an announcement (reference B.3).
constexpr std::string_view kServiceName = "service-name";
constexpr std::string_view kSeqnum = "seqnum";
constexpr std::string_view kFurl = "anonymous-storage-FURL";
constexpr std::string_view kNurls = "anonymous-storage-NURLs";
constexpr std::string_view kPermutationSeed = "permutation-seed-base32";
constexpr std::string_view kNickname = "nickname";
constexpr std::string_view kMyVersion = "my-version";

std::unexpected<Error> unauthorized(std::string_view code, std::string message) {
    return fail(ErrorKind::unauthorized, code, std::move(message));
}

std::unexpected<Error> invalid(std::string message) {
    return fail(ErrorKind::invalid, "introducer.invalid_announcement", std::move(message));
}

Result<void> check_sizes(const SignedAnnouncement& parts) {
    if (parts.message.size() > kMessageBytesMax ||
        parts.signature.size() > kSignatureTextBytesMax || parts.key.size() > kKeyTextBytesMax)
        return fail(ErrorKind::too_large, "introducer.too_large",
                    fmt::format("an announcement has at most {} bytes", kMessageBytesMax));
    return ok();
}

Result<void> check_signature(const SignedAnnouncement& parts) {
    if (parts.signature.empty() || parts.key.empty())
        return unauthorized("introducer.unsigned", "only signed announcements recognized");
    if (!parts.signature.starts_with(kVersionPrefix))
        return unauthorized("introducer.unknown_signature", "only v0- signatures recognized");
    if (!parts.key.starts_with(kVersionPrefix))
        return unauthorized("introducer.unknown_key", "only v0- keys recognized");
    const auto key = crypto::Ed25519PublicKey::parse_server_id(parts.key);
    const auto signature = crypto::parse_signature(parts.signature);
    if (!key || !signature || !key->verify(as_bytes(parts.message), *signature))
        return unauthorized("introducer.bad_signature", "");
    return ok();
}

bool is_text(const json::Value& content, std::string_view name, std::string_view expected) {
    const json::Value* value = content.find(name);
    return value && value->as_string() && *value->as_string() == expected;
}

// The list in any order: it is a set in spirit (B.3).
bool names_nurls(const json::Value& content, std::vector<std::string> expected) {
    std::vector<std::string> found;
    const json::Value* value = content.find(kNurls);
    if (value && value->as_array())
        for (const json::Value& nurl : *value->as_array())
            if (nurl.as_string()) found.push_back(*nurl.as_string());
    std::ranges::sort(found);
    std::ranges::sort(expected);
    return found == expected;
}

}  // namespace

Result<Announcement> verify(SignedAnnouncement parts) {
    TRY(check_sizes(parts));
    TRY(check_signature(parts));
    auto content =
        json::parse(parts.message, {.bytes_max = kMessageBytesMax, .depth_max = kMessageDepthMax});
    if (!content) return invalid("an announcement is a JSON object: " + content.error().message());
    const json::Value* service = content->find(kServiceName);
    if (!service || !service->as_string())
        return invalid("an announcement is a JSON object with a text \"service-name\"");
    if (service->as_string()->empty() || service->as_string()->size() > kServiceNameBytesMax)
        return invalid(fmt::format("a service's name has 1 to {} bytes", kServiceNameBytesMax));
    const json::Value* seqnum = content->find(kSeqnum);
    Announcement out{.parts = std::move(parts),
                     .service = *service->as_string(),
                     .seqnum = seqnum ? seqnum->as_int64() : std::nullopt,
                     .content = {}};
    out.content = std::move(*content);
    return out;
}

Decision decide(const Announcement* existing, const Announcement& offered) {
    if (!existing) return Decision::accept;
    if (existing->content == offered.content) return Decision::duplicate;
    if (!existing->seqnum) return Decision::accept;
    const bool newer = offered.seqnum && *offered.seqnum > *existing->seqnum;
    return newer ? Decision::accept : Decision::stale;
}

SignedAnnouncement announce(const StorageServer& server, std::int64_t seqnum,
                            const crypto::Ed25519PrivateKey& key, crypto::Random& random) {
    const auto nonce = crypto::random_bytes<kNonceBytes>(random);
    json::Object content = {
        {"version", 0},
        {std::string(kNickname), server.nickname},
        {"app-versions", json::Array{}},
        {std::string(kMyVersion), server.version},
        {"oldest-supported", "1.0.0"},
        {std::string(kServiceName), "storage"},
        {std::string(kPermutationSeed), server.permutation_seed},
    };
    if (!server.nurls.empty())
        content.emplace_back(kNurls, json::Array(server.nurls.begin(), server.nurls.end()));
    content.emplace_back(kFurl, server.furl);
    content.emplace_back(kSeqnum, seqnum);
    content.emplace_back("nonce", codec::base32::encode(nonce));

    SignedAnnouncement out;
    out.message = json::to_text(content);
    out.signature = crypto::signature_text(key.sign(as_bytes(out.message)));
    out.key = key.public_key().server_id();
    return out;
}

bool describes(const Announcement& announcement, const StorageServer& server) {
    const json::Value& content = announcement.content;
    return announcement.service == "storage" && is_text(content, kFurl, server.furl) &&
           names_nurls(content, server.nurls) &&
           is_text(content, kPermutationSeed, server.permutation_seed) &&
           is_text(content, kNickname, server.nickname) &&
           is_text(content, kMyVersion, server.version);
}

std::int64_t next_seqnum(std::optional<std::int64_t> stored, UnixSeconds now) {
    // A stored number at the very end could not be risen above; it cannot be ours.
    constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
    const std::int64_t after = stored && *stored < kEnd ? *stored + 1 : 0;
    return std::max(after, now);
}

}  // namespace s4::introducer
