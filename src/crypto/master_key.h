// The key that everything sealed at rest hangs on. An interface, because a file holds it on one
// machine and a key management service elsewhere (floor 6 and above implement that);
// StaticMasterKey takes the bytes of the file.
//
// The root key never leaves the implementation: users get keys derived for a named purpose.
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/random.h"

namespace s4::crypto {

using MasterKeyId = std::uint32_t;

class MasterKey {
  public:
    virtual ~MasterKey() = default;
    // Under which key new secrets are sealed.
    virtual MasterKeyId current() const = 0;
    // 32 bytes for the purpose (a literal such as "s4 seal v1"). Errors: master_key.unknown_id.
    virtual Result<Secret> derive(MasterKeyId id, std::string_view purpose) const = 0;
};

// A master key whose bytes are at hand. File format: docs/formats/master-key.md.
class StaticMasterKey final : public MasterKey {
  public:
    static StaticMasterKey generate(Random& random);
    // Of the file's content. Errors: master_key.invalid.
    static Result<StaticMasterKey> parse(const Secret& file);
    Secret to_file() const;

    MasterKeyId current() const override { return id_; }
    Result<Secret> derive(MasterKeyId id, std::string_view purpose) const override;

  private:
    StaticMasterKey(MasterKeyId id, Secret key) : id_(id), key_(std::move(key)) {}

    MasterKeyId id_;
    Secret key_;
};

}  // namespace s4::crypto
