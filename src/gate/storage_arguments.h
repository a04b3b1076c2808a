// The arguments of RIStorageServer's methods (reference C.1, C.2), from values of the wire to the
// engine's words. What does not fit is the caller's Violation, which names the argument.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <vector>

#include "proto/foolscap/value.h"
#include "storage/engine.h"

namespace s4::gate {

template <typename T>
using Argument = std::expected<T, proto::foolscap::Failure>;

// Each takes the argument at a position, or under a name.
class StorageArguments {
  public:
    explicit StorageArguments(const proto::foolscap::Arguments& arguments)
        : arguments_(arguments) {}

    Argument<storage::StorageIndex> storage_index(std::size_t position) const;
    // renew_secret and cancel_secret, in this order from `position` on.
    Argument<storage::LeaseSecrets> lease_secrets(std::size_t position) const;
    Argument<std::uint64_t> number(std::size_t position, std::string_view name) const;
    Argument<std::string> text(std::size_t position, std::string_view name,
                               std::size_t bytes_max) const;
    // A set (or list) of share numbers.
    Argument<std::vector<storage::ShareNumber>> shares(std::size_t position,
                                                       std::string_view name) const;
    Argument<std::vector<storage::ByteRange>> read_vector(std::size_t position,
                                                          std::string_view name) const;
    const proto::foolscap::Value* find(std::size_t position, std::string_view name) const {
        return arguments_.find(position, name);
    }

  private:
    const proto::foolscap::Arguments& arguments_;
};

// (write_enabler, renew_secret, cancel_secret)
struct SlotSecrets {
    Secret write_enabler;
    storage::LeaseSecrets lease;
};
Argument<SlotSecrets> slot_secrets(const proto::foolscap::Value* value);

// What tw_vectors say, with the data still where the caller put it: small strings in the values,
// large ones in the streams that came before.
struct SlotWrites {
    struct Write {
        std::uint64_t offset = 0;
        const proto::foolscap::Value* data = nullptr;  // bytes or streamed bytes
    };
    struct Share {
        storage::ShareTestWrite tests;  // without writes
        std::vector<Write> writes;
    };
    std::map<storage::ShareNumber, Share> shares;
};
Argument<SlotWrites> slot_writes(const proto::foolscap::Value* value);

}  // namespace s4::gate
