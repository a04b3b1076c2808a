// GridPolicies: what the storage engine asks of a grid's record. The two folders do not know each
// other; this is the one place that translates.
#pragma once

#include "gate/turnstile.h"
#include "storage/policy.h"
#include "tenants/directory.h"

namespace s4::gate {

class GridPolicies final : public storage::Policies {
  public:
    // The directory is set after the engine is made, since the engine takes this in its creation;
    // until then no grid exists.
    void follow(tenants::Directory& directory) { directory_ = &directory; }

    std::optional<storage::GridPolicy> policy(GridId grid) const override;
    rt::Task<Result<std::shared_ptr<const void>>> hold(const rt::Context& ctx,
                                                       GridId grid) const override;
    // What the turnstile asks.
    Allowance allowance(GridId grid) const;

  private:
    tenants::Directory* directory_ = nullptr;
};

}  // namespace s4::gate
