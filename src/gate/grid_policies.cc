#include "gate/grid_policies.h"

#include "base/check.h"

namespace s4::gate {

namespace {

storage::Access access_of(tenants::GridState state) {
    switch (state) {
        case tenants::GridState::served:
            return storage::Access::read_write;
        case tenants::GridState::read_only:
            return storage::Access::read_only;
        case tenants::GridState::frozen:
        case tenants::GridState::closed:
            return storage::Access::frozen;
    }
    UNREACHABLE("every state grants some access");
}

}  // namespace

std::optional<storage::GridPolicy> GridPolicies::policy(GridId grid) const {
    const tenants::GridPtr record = directory_ ? directory_->cached(grid) : nullptr;
    if (!record) return std::nullopt;
    const tenants::Policy& policy = record->policy;
    return storage::GridPolicy{.access = access_of(policy.state),
                               .quota_bytes = policy.quota_bytes,
                               .uploads_max = policy.unfinished_uploads_max,
                               .leases_per_share_max = policy.leases_per_share_max,
                               .advisories_max = policy.advisories_max};
}

rt::Task<Result<std::shared_ptr<const void>>> GridPolicies::hold(const rt::Context& ctx,
                                                                 GridId grid) const {
    if (!directory_)
        co_return fail(ErrorKind::not_found, "tenants.no_such_grid", "there are no grids yet");
    co_return CO_TRY(co_await directory_->by_id(ctx, grid));
}

Allowance GridPolicies::allowance(GridId grid) const {
    const tenants::GridPtr record = directory_ ? directory_->cached(grid) : nullptr;
    if (!record) return {};
    return {.requests_max = record->policy.requests_max, .bytes_per_s = record->policy.bytes_per_s};
}

}  // namespace s4::gate
