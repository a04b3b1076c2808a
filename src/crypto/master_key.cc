#include "crypto/master_key.h"

#include <fmt/format.h>

#include <charconv>

#include "codec/base64.h"
#include "codec/hex.h"
#include "crypto/hash.h"

namespace s4::crypto {
namespace {

constexpr std::string_view kName = "s4-master-key-v1";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kCheckBytes = 4;

std::string check_of(std::string_view line) {
    return codec::hex::encode(ByteView(sha256(as_bytes(line))).first(kCheckBytes));
}

std::unexpected<Error> invalid(std::string message) {
    return fail(ErrorKind::invalid, "master_key.invalid", std::move(message));
}

// Takes the text up to the next blank.
std::string_view take_word(std::string_view& line) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

}  // namespace

StaticMasterKey StaticMasterKey::generate(Random& random) {
    const auto id = static_cast<MasterKeyId>(1 + random_below(random, 0xffffffff));
    return {id, random_secret(random, kKeyBytes)};
}

Result<StaticMasterKey> StaticMasterKey::parse(const Secret& file) {
    std::string_view line = file.reveal_text();
    if (line.ends_with('\n')) line.remove_suffix(1);
    const std::size_t check_at = line.rfind(' ');
    if (!line.starts_with(kName) || check_at == std::string_view::npos)
        return invalid("the master key file is one line that begins with s4-master-key-v1");
    if (check_of(line.substr(0, check_at)) != line.substr(check_at + 1))
        return invalid("the master key file is damaged: its check digits do not match; restore it");

    std::string_view rest = line.substr(0, check_at);
    take_word(rest);
    const std::string_view id_text = take_word(rest);
    MasterKeyId id = 0;
    const auto [end, error] = std::from_chars(id_text.data(), id_text.data() + id_text.size(), id);
    if (error != std::errc() || end != id_text.data() + id_text.size() || id == 0)
        return invalid("the master key's id is a number from 1 to 4294967295");
    auto key = codec::base64::decode_url(take_word(rest));
    if (!key || key->size() != kKeyBytes || !rest.empty())
        return invalid("the master key has 32 bytes in base64url");
    return StaticMasterKey(id, Secret(std::move(*key)));
}

Secret StaticMasterKey::to_file() const {
    std::string line =
        fmt::format("{} {} {}", kName, id_, codec::base64::encode_url(key_.reveal()));
    line += fmt::format(" {}\n", check_of(line));
    return Secret(as_bytes(line));
}

Result<Secret> StaticMasterKey::derive(MasterKeyId id, std::string_view purpose) const {
    if (id != id_)
        return fail(
            ErrorKind::not_found, "master_key.unknown_id",
            fmt::format("sealed under master key {}, but the key at hand is {}: is this the "
                        "master.key that belongs to this database?",
                        id, id_));
    return hkdf_sha256(key_, {}, purpose, kKeyBytes);
}

}  // namespace s4::crypto
