// What a grid may do, as plain values. The engine asks for it at the start of every call, on its
// reactor's thread; who answers (tenants, a test) keeps it in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/id.h"
#include "base/result.h"
#include "rt/context.h"
#include "rt/task.h"
#include "storage/limits.h"

namespace s4::storage {

enum class Access : std::uint8_t {
    read_write,
    read_only,  // reads and renewals of leases; nothing new (a suspended subscription)
    frozen,     // nothing at all (being moved or purged)
};

struct GridPolicy {
    Access access = Access::read_write;
    std::uint64_t quota_bytes = 0;
    std::size_t uploads_max = 1024;         // unfinished at one time
    std::size_t leases_per_share_max = 64;  // a new one beyond is refused
    std::size_t advisories_max = 1000;      // the oldest give way

    // What mutable growth may reach (invariant 4); a quota near 2^64 means none.
    std::uint64_t overdraft_limit_bytes() const {
        return quota_bytes > UINT64_MAX - kMutableOverdraftBytes
                   ? UINT64_MAX
                   : quota_bytes + kMutableOverdraftBytes;
    }
};

class Policies {
  public:
    virtual ~Policies() = default;
    // Nothing for a grid that does not exist.
    virtual std::optional<GridPolicy> policy(GridId grid) const = 0;
    // Makes the policy known for as long as what it returns is kept: background work asks for grids
    // that nobody speaks to. The default is for who knows all policies always. Fails with a
    // not_found when there is no such grid.
    virtual rt::Task<Result<std::shared_ptr<const void>>> hold(const rt::Context& ctx,
                                                               GridId grid) const;
};

}  // namespace s4::storage
