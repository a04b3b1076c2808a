// The operator's use case of taking in a Tahoe storage node: its subscription and its grid. The
// shares are control's to copy.
#include <fmt/format.h>

#include "base/log.h"
#include "codec/base32.h"
#include "introducer/records.h"
#include "service/service.h"
#include "tenants/records.h"

namespace s4::service {
namespace {

std::unexpected<Error> served_here(GridId grid) {
    return fail(ErrorKind::conflict, "import.served_here",
                fmt::format("this service has a grid with that node's identity (grid {}), and "
                            "nothing is imported twice",
                            grid.value));
}

Result<void> check_is_served(const billing::Subscription& row) {
    if (billing::access(row.state) == billing::Access::read_write) return ok();
    return fail(ErrorKind::invalid, "import.not_active",
                fmt::format("subscription {} is {}; shares are imported into an active one",
                            row.id.value, billing::to_string(row.state)));
}

}  // namespace

Result<ImportPlan> Service::plan_import_in(sql::Reader& db, const ImportRequest& request) const {
    const tenants::AdoptedIdentity& identity = request.identity;
    const auto owner = TRY(tenants::find_tub(db, identity.storage.tls.certificate.tub_id()));
    if (owner) {
        const auto begun = TRY(load_import(db, owner->grid));
        if (!begun || begun->finished != 0) return served_here(owner->grid);
        if (request.into && *request.into != begun->subscription)
            return fail(ErrorKind::conflict, "import.other_subscription",
                        fmt::format("this node is being imported into subscription {}",
                                    begun->subscription.value));
        const auto row = TRY(billing::load_subscription(db, begun->subscription));
        TRY(check_is_served(row));
        return ImportPlan{plan_of(row).quota_bytes, owner->grid};
    }
    if (identity.introducer) {
        const auto taken =
            TRY(tenants::find_tub(db, identity.introducer->tls.certificate.tub_id()));
        if (taken) return served_here(taken->grid);
    }
    if (request.into) {
        const auto row = TRY(billing::load_subscription(db, *request.into));
        TRY(check_is_served(row));
        return ImportPlan{plan_of(row).quota_bytes, std::nullopt};
    }
    TRY(billing::parse_email(request.email));
    const billing::Plan* plan =
        request.plan.empty() ? &with_.plans.suggested() : with_.plans.find(request.plan);
    if (plan == nullptr)
        return fail(ErrorKind::invalid, "plan.unknown",
                    fmt::format("there is no plan \"{}\"", request.plan));
    return ImportPlan{plan->quota_bytes, std::nullopt};
}

rt::Task<Result<void>> Service::check_is_empty(const rt::Context& ctx,
                                               SubscriptionId subscription) {
    const SignUpRow row = CO_TRY(co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return load_sign_up(db, subscription); }));
    if (!row.grid) co_return ok();
    if (CO_TRY(co_await with_.usage.used_bytes(ctx, *row.grid)) == 0) co_return ok();
    co_return fail(ErrorKind::conflict, "import.not_empty",
                   fmt::format("the grid of subscription {} holds shares; a node is imported into "
                               "a new subscription or an empty one",
                               subscription.value));
}

rt::Task<Result<ImportPlan>> Service::plan_import(const rt::Context& ctx,
                                                  const ImportRequest& request) {
    const ImportPlan plan = CO_TRY(co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return plan_import_in(db, request); }));
    if (!plan.resumes && request.into) CO_TRY(co_await check_is_empty(ctx, *request.into));
    co_return plan;
}

rt::Task<Result<Import>> Service::begin_import(const rt::Context& ctx, ImportRequest request) {
    CO_TRY(co_await plan_import(ctx, request));
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    const tenants::NewGrid grid =
        with_.directory.keyring().adopted_grid(with_.runtime.random, now, {}, request.identity);
    const introducer::Announcement announcement =
        CO_TRY(first_announcement(grid.grid, request.seqnum));
    const Secret capability = Secret(as_bytes(
        codec::base32::encode(crypto::random_bytes<kCapabilityBytes>(with_.runtime.random))));
    const crypto::Digest256 page = page_hash_(capability.reveal());

    Import made =
        CO_TRY(co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<Import> {
            if (const auto again = TRY(plan_import_in(tx, request)); again.resumes) return Import {
                    TRY(load_import(tx, *again.resumes))
                    ->subscription, *again.resumes, {}
                };
            billing::Subscription row;
            if (request.into) {
                row = TRY(billing::load_subscription(tx, *request.into));
                if (const auto old = TRY(load_sign_up(tx, row.id)).grid) {
                    tenants::Policy closed = TRY(policy_of_grid(tx, *old));
                    closed.state = tenants::GridState::closed;
                    TRY(tenants::update_policy(tx, *old, closed));
                }
            } else {
                const std::string email = TRY(billing::parse_email(request.email));
                const billing::Plan* plan = request.plan.empty() ? &with_.plans.suggested()
                                                                 : with_.plans.find(request.plan);
                TRY(begin_in_tx(tx, email, *plan, Source::operator_, row, now));
                TRY(insert_page(tx, page, row.id, now));
                TRY(change_state(tx, row, billing::Event::paid, Actor::operator_, now));
            }
            const GridId id = TRY(give_grid(tx, row, grid, announcement, Actor::operator_, now));
            TRY(insert_import(tx, {id, row.id, now, 0}));
            TRY(audit(tx, Actor::operator_, "import_begun", row.id, "", now));
            return Import{row.id, id, request.into ? Secret() : capability};
        }));
    log::info("service", "a storage node is being imported",
              {{"subscription", made.subscription.value}, {"grid", made.grid.value}});
    CO_TRY(co_await with_.directory.catch_up(ctx));
    committed(made.subscription);
    co_return made;
}

rt::Task<Result<void>> Service::finish_import(const rt::Context& ctx, Import import) {
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    CO_TRY(co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        TRY(set_import_finished(tx, import.grid, now));
        return audit(tx, Actor::operator_, "import_finished", import.subscription, "", now);
    }));
    co_return co_await await_shown(ctx, import.subscription);
}

rt::Task<Result<tenants::GridPtr>> Service::grid_of(const rt::Context& ctx,
                                                    SubscriptionId subscription) {
    const SignUpRow row = CO_TRY(co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return load_sign_up(db, subscription); }));
    if (!row.grid)
        co_return fail(ErrorKind::not_found, "subscription.no_grid",
                       fmt::format("subscription {} has no grid yet", subscription.value));
    co_return co_await with_.directory.by_id(ctx, *row.grid);
}

}  // namespace s4::service
