// Announcements: the signed text that makes a server known, and the rules by which one follows
// another (reference B.2 to B.4). Values and pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "codec/json.h"
#include "crypto/ed25519.h"
#include "crypto/random.h"

namespace s4::introducer {

// The three byte strings as they came. They are relayed and stored unchanged: the signature covers
// exactly these bytes.
struct SignedAnnouncement {
    std::string message;    // a JSON object in UTF-8
    std::string signature;  // v0-...
    std::string key;        // v0-...: also the server's id

    friend bool operator==(const SignedAnnouncement&, const SignedAnnouncement&) = default;
};

// One that was verified and read.
struct Announcement {
    SignedAnnouncement parts;
    std::string service;                 // "service-name"
    std::optional<std::int64_t> seqnum;  // nothing if missing or not an integer
    codec::json::Value content;
};

// Checks in the order of Tahoe's introducer. Its answers by code:
//   introducer.unsigned            UnknownKeyError "only signed announcements recognized"
//   introducer.unknown_signature   UnknownKeyError "only v0- signatures recognized"
//   introducer.unknown_key         UnknownKeyError "only v0- keys recognized"
//   introducer.bad_signature       BadSignature, without text
//   introducer.invalid_announcement, introducer.too_large: ours; signed, but not an announcement
Result<Announcement> verify(SignedAnnouncement parts);

// What to do with a valid announcement, given the one that stands for the same service and key (or
// null).
enum class Decision : std::uint8_t {
    accept,     // store and forward
    duplicate,  // the same content; answer none, do nothing
    stale,      // not newer; answer none, do nothing
};
Decision decide(const Announcement* existing, const Announcement& offered);

// The grid's own storage server, as its announcement describes it.
struct StorageServer {
    std::string furl;
    std::vector<std::string> nurls;  // empty: Foolscap alone
    std::string permutation_seed;    // base32
    std::string nickname;
    std::string version;  // shown to users, e.g. "s4/1.0"
};

// Signs an announcement of that server under a sequence number, with a nonce.
SignedAnnouncement announce(const StorageServer& server, std::int64_t seqnum,
                            const crypto::Ed25519PrivateKey& key, crypto::Random& random);
// Whether the announcement says what announce() would say, but for number and nonce.
bool describes(const Announcement& announcement, const StorageServer& server);
// Invariant 9: numbers only rise, also after a restore from a backup.
std::int64_t next_seqnum(std::optional<std::int64_t> stored, UnixSeconds now);

}  // namespace s4::introducer
