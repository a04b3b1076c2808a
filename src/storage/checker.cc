#include "storage/checker.h"

#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/log.h"

namespace s4::storage {
namespace {

// One that nobody holds the secret of: a share that was put back has it until clients renewed
// theirs, should the customer have turned expiry on.
constexpr tables::Hash kServiceLease{};

std::unexpected<Error> bad_place(std::string_view from) {
    return fail(ErrorKind::invalid, "storage.invalid_place",
                fmt::format("'{}' is no place in a check; give what the check printed, or none to "
                            "begin anew",
                            from));
}

// Where a check stands, as text: "shares 17 INDEX 3", "usage 17", "blobs TOKEN", "quarantine 5".
struct Step {
    std::string_view phase;
    std::string_view rest;
};

Step split(std::string_view text) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return {text, {}};
    return {text.substr(0, space), text.substr(space + 1)};
}

Result<std::int64_t> number_of(std::string_view text) {
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end != text.data() + text.size()) return bad_place(text);
    return out;
}

Result<tables::SharePlace> share_place(std::string_view text) {
    const Step grid = split(text);
    const Step index = split(grid.rest);
    return tables::SharePlace {
        GridId {
            TRY(number_of(grid.phase))
        }
        , TRY(StorageIndex::from_text(index.phase))
        , TRY(number_of(index.rest))
    };
}

metrics::Counter& damage_found() {
    static metrics::Counter& counter = metrics::counter(
        "s4_storage_damage_found_total", "Damaged or missing shares that check and scrub found");
    return counter;
}

// What of these blobs the index does not name as it should.
Result<std::vector<Finding>> unnamed_blobs(sql::Reader& db,
                                           const std::vector<tables::BlobRow>& listed) {
    std::vector<Finding> out;
    std::map<GridId, std::size_t> lost;
    const auto found = [&](Problem problem, GridId grid, std::string detail) {
        out.push_back(
            {.problem = problem, .grid = grid, .index = std::nullopt, .detail = std::move(detail)});
    };
    for (const tables::BlobRow& row : listed) {
        const std::string key = blob::Key(row.grid, row.name).text();
        const auto owner = TRY(tables::owner_of_blob(db, row.name));
        if (owner == row.grid) continue;
        if (owner)
            found(Problem::misplaced_blob, row.grid,
                  fmt::format("{} is of a share of grid {}", key, owner->value));
        else if (TRY(tables::is_known_blob(db, row)))
            continue;
        else if (TRY(tables::has_usage(db, row.grid)))
            found(Problem::orphan_blob, row.grid, key);
        else
            ++lost[row.grid];
    }
    for (const auto& [grid, blobs] : lost)
        found(Problem::lost_grid, grid,
              fmt::format("{} blobs wait for a database that knows the grid, see docs/recovery.md",
                          blobs));
    return out;
}

}  // namespace

std::string_view to_string(Problem problem) {
    switch (problem) {
        case Problem::missing_blob:
            return "missing_blob";
        case Problem::damaged_share:
            return "damaged_share";
        case Problem::wrong_usage:
            return "wrong_usage";
        case Problem::orphan_blob:
            return "orphan_blob";
        case Problem::lost_grid:
            return "lost_grid";
        case Problem::misplaced_blob:
            return "misplaced_blob";
        case Problem::quarantined:
            return "quarantined";
    }
    return "";
}

rt::Task<Result<CheckReport>> Checker::step(const rt::Context& ctx, CheckRequest request) {
    CheckReport report;
    const Step place = split(request.from);
    if (place.phase.empty()) {
        CO_TRY(co_await check_shares(ctx, request, {}, report));
    } else if (place.phase == "shares") {
        CO_TRY(co_await check_shares(ctx, request, CO_TRY(share_place(place.rest)), report));
    } else if (place.phase == "usage") {
        const GridId after {
            CO_TRY(number_of(place.rest))
        };
        CO_TRY(co_await check_usage(ctx, request, after, report));
    } else if (place.phase == "blobs") {
        CO_TRY(co_await check_blobs(ctx, request, std::string(place.rest), report));
    } else if (place.phase == "quarantine") {
        const std::int64_t after = CO_TRY(number_of(place.rest));
        CO_TRY(co_await check_quarantine(ctx, request, after, report));
    } else {
        co_return bad_place(request.from);
    }
    co_return report;
}

rt::Task<Result<void>> Checker::check_shares(const rt::Context& ctx, const CheckRequest& request,
                                             tables::SharePlace place, CheckReport& report) {
    IoBudget budget(core_.runtime.reactor, {kCheckBytesPerS, kCheckPercentOfTime});
    bool more = true;
    while (more && report.shares < kCheckSharesPerStep && report.bytes < kCheckBytesPerStep) {
        auto next = CO_TRY(co_await verify_next(ctx, place, request.grid,
                                                kCheckSharesPerStep - report.shares, budget));
        more = next.shares > 0;
        if (more) place = next.end;
        report.shares += next.shares;
        report.bytes += next.bytes;
        for (Finding& finding : next.findings) report.findings.push_back(std::move(finding));
    }
    CO_TRY(co_await budget.settle(ctx));
    if (request.repair) CO_TRY(co_await repair_shares(ctx, report));
    report.next =
        more ? fmt::format("shares {} {} {}", place.grid.value, place.index.to_text(), place.share)
             : "usage 0";
    co_return ok();
}

rt::Task<Result<Checker::Verified>> Checker::verify_next(const rt::Context& ctx,
                                                         const tables::SharePlace& after,
                                                         std::optional<GridId> only,
                                                         std::size_t limit, IoBudget& budget) {
    const Verify::Look look = CO_TRY(co_await verify_.look(ctx, after, only, limit));
    Verified out{.shares = look.shares, .bytes = look.bytes, .end = look.end, .findings = {}};
    CO_TRY(co_await budget.spend(ctx, look.bytes));
    for (const tables::PlacedShare& share : look.others) {
        auto found = CO_TRY(co_await look_at(ctx, share, budget, out.bytes));
        if (found) out.findings.push_back(std::move(*found));
    }
    co_return out;
}

rt::Task<Result<std::optional<Finding>>> Checker::look_at(const rt::Context& ctx,
                                                          const tables::PlacedShare& share,
                                                          IoBudget& budget, std::uint64_t& bytes) {
    for (int look = 1;; ++look) {
        auto sound = co_await verify_.share(ctx, share.key, share.row.share, &budget, bytes);
        if (sound || sound.error().is("storage.no_such_share")) co_return std::nullopt;
        if (!is_damage(sound.error())) co_return fail(std::move(sound).error());
        if (look == 1) continue;
        damage_found().add();
        Finding out;
        out.problem =
            sound.error().is("blob.not_found") ? Problem::missing_blob : Problem::damaged_share;
        out.grid = share.key.grid;
        out.index = share.key.index;
        out.share = share.row.share;
        out.kind = share.row.kind;
        out.detail = sound.error().message();
        log::error("storage", "a share is damaged",
                   {{"grid", out.grid.value},
                    {"index", out.index->to_text()},
                    {"share", out.share},
                    {"error", sound.error()}});
        CO_TRY(co_await advise(ctx, out));
        co_return std::optional(std::move(out));
    }
}

rt::Task<Result<void>> Checker::advise(const rt::Context& ctx, const Finding& finding) {
    Advisory advisory;
    advisory.at = core_.now_s();
    advisory.index = *finding.index;
    advisory.share = finding.share;
    advisory.kind = finding.kind;
    advisory.reason = "found by the service: " + finding.detail;
    const auto policy = core_.policies.policy(finding.grid);
    const std::size_t keep = policy ? policy->advisories_max : GridPolicy{}.advisories_max;
    co_return co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        if (TRY(tables::has_advisory(tx, finding.grid, advisory))) return ok();
        return tables::insert_advisory(tx, finding.grid, advisory, keep);
    });
}

// So many blobs at once do not rot: a disk is not mounted, or a folder went. Then nothing is
// touched.
rt::Task<Result<void>> Checker::repair_shares(const rt::Context& ctx, CheckReport& report) {
    std::size_t missing = 0;
    for (const Finding& finding : report.findings)
        missing += finding.problem == Problem::missing_blob ? 1 : 0;
    const bool suspicious = missing >= kMissingBlobsSuspicious && missing * 2 > report.shares;
    for (Finding& finding : report.findings) {
        if (suspicious && finding.problem == Problem::missing_blob) {
            finding.detail +=
                "; left as it is, since so many are missing that the disk may not "
                "be mounted";
            continue;
        }
        finding.repaired = CO_TRY(co_await quarantine(ctx, finding));
    }
    co_return ok();
}

rt::Task<Result<bool>> Checker::quarantine(const rt::Context& ctx, const Finding& finding) {
    const IndexKey key{finding.grid, *finding.index};
    const auto turn = CO_TRY(co_await core_.turns.take(ctx, key, Turns::Mode::alone));
    // Nobody changes the index now, so that what is broken still is what it was.
    std::uint64_t bytes = 0;
    const auto sound = co_await verify_.share(ctx, key, finding.share, nullptr, bytes);
    if (sound || sound.error().is("storage.no_such_share")) co_return true;
    if (!is_damage(sound.error())) co_return fail(sound.error());
    const IndexCache::Writing writing(core_.indexes, key);
    const auto used = CO_TRY(
        co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<std::optional<UsageRow>> {
            const IndexRows rows = TRY(tables::load_index(tx, key));
            const ShareRow* row = find_share(rows, finding.share);
            if (!row) return std::nullopt;
            TRY(tables::quarantine(tx, key, *row, finding.detail, core_.now_s()));
            if (rows.size() == 1) TRY(tables::delete_slot(tx, key));
            return std::optional(TRY(
                tables::change_usage(tx, key.grid, -1, -static_cast<std::int64_t>(row->length))));
        }));
    if (used) core_.accounts.learn(key.grid, *used);
    co_return true;
}

rt::Task<Result<void>> Checker::check_usage(const rt::Context& ctx, const CheckRequest& request,
                                            GridId after, CheckReport& report) {
    struct Counted {
        GridId grid;
        UsageRow kept;
        UsageRow counted;
    };
    const auto found =
        CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<std::optional<Counted>> {
            const auto grid = request.grid ? (after.value == 0 ? request.grid : std::nullopt)
                                           : TRY(tables::next_grid(db, after));
            if (!grid) return std::nullopt;
            return std::optional(Counted {
                *grid, TRY(tables::load_usage(db, *grid))
                , TRY(tables::recount(db, *grid))
            });
        }));
    if (!found) {
        report.next = "blobs";
        co_return ok();
    }
    report.grids = 1;
    report.next = fmt::format("usage {}", found->grid.value);
    const auto& [grid, kept, counted] = *found;
    if (kept.shares == counted.shares && kept.data_bytes == counted.data_bytes) co_return ok();
    Finding finding{
        .problem = Problem::wrong_usage,
        .grid = grid,
        .index = std::nullopt,
        .detail = fmt::format("{} shares of {} bytes are counted, there are {} of {}", kept.shares,
                              kept.data_bytes, counted.shares, counted.data_bytes)};
    log::error("storage", "a grid's usage is wrong",
               {{"grid", grid.value}, {"detail", finding.detail}});
    if (request.repair) {
        const UsageRow right =
            CO_TRY(co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<UsageRow> {
                const UsageRow now = TRY(tables::load_usage(tx, grid));
                const UsageRow is = TRY(tables::recount(tx, grid));
                return tables::change_usage(
                    tx, grid, static_cast<std::int64_t>(is.shares - now.shares),
                    static_cast<std::int64_t>(is.data_bytes - now.data_bytes));
            }));
        core_.accounts.learn(grid, right);
        finding.repaired = true;
    }
    report.findings.push_back(std::move(finding));
    co_return ok();
}

rt::Task<Result<void>> Checker::check_blobs(const rt::Context& ctx, const CheckRequest& request,
                                            std::string from, CheckReport& report) {
    // The collector's steps wait meanwhile: it removes rows first and blobs after them.
    CO_TRY(co_await core_.collecting.acquire(ctx));
    struct Release {
        rt::Semaphore& semaphore;
        ~Release() { semaphore.release(); }
    } const release{core_.collecting};
    blob::Page page = CO_TRY(co_await core_.blobs.list(ctx, from));
    std::vector<tables::BlobRow> listed;
    for (const blob::Listed& blob : page.blobs) {
        if (request.grid && blob.key.grid() != *request.grid) continue;
        ++report.blobs;
        if (!core_.names.busy(blob.key)) listed.push_back({blob.key.grid(), blob.key.name()});
    }
    auto found = CO_TRY(
        co_await core_.db.read(ctx, [&](sql::Reader& db) { return unnamed_blobs(db, listed); }));
    if (request.repair && !found.empty())
        CO_TRY(co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
            for (const Finding& finding : found) {
                if (finding.problem != Problem::orphan_blob) continue;
                const auto key = blob::Key::parse(finding.detail);
                TRY(tables::insert_superseded(tx, {key->grid(), key->name()}, core_.now_s()));
            }
            return ok();
        }));
    for (Finding& finding : found) {
        finding.repaired = request.repair && finding.problem == Problem::orphan_blob;
        report.findings.push_back(std::move(finding));
    }
    report.next = page.next.empty() ? "quarantine 0" : "blobs " + page.next;
    co_return ok();
}

rt::Task<Result<void>> Checker::check_quarantine(const rt::Context& ctx,
                                                 const CheckRequest& request, std::int64_t after,
                                                 CheckReport& report) {
    const auto share = CO_TRY(co_await core_.db.read(
        ctx, [&](sql::Reader& db) { return tables::next_quarantined(db, after, request.grid); }));
    if (!share) co_return ok();
    report.next = fmt::format("quarantine {}", share->id);
    Finding finding{.problem = Problem::quarantined,
                    .grid = share->key.grid,
                    .index = share->key.index,
                    .share = share->row.share,
                    .kind = share->row.kind,
                    .detail = share->reason};
    if (request.repair) finding.repaired = CO_TRY(co_await put_back(ctx, *share));
    report.findings.push_back(std::move(finding));
    co_return ok();
}

// If it is sound and its place is free. A small share's bytes are what broke, so that it stays.
rt::Task<Result<bool>> Checker::put_back(const rt::Context& ctx, const tables::Quarantined& share) {
    if (share.row.place == Place::small) co_return false;
    const IndexKey& key = share.key;
    const auto turn = CO_TRY(co_await core_.turns.take(ctx, key, Turns::Mode::alone));
    IoBudget budget(core_.runtime.reactor, {kCheckBytesPerS, kCheckPercentOfTime});
    std::uint64_t bytes = 0;
    const auto sound = co_await verify_.blobs(ctx, key, share.row, share.pieces, &budget, bytes);
    if (!sound && !is_damage(sound.error())) co_return fail(sound.error());
    if (!sound) co_return false;
    const IndexCache::Writing writing(core_.indexes, key);
    const tables::Lease lease{kServiceLease, kServiceLease, core_.now_s() + kLeaseSeconds};
    const auto used = CO_TRY(
        co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<std::optional<UsageRow>> {
            const IndexRows rows = TRY(tables::load_index(tx, key));
            if (find_share(rows, share.row.share)) return std::nullopt;
            if (!rows.empty() && rows.front().kind != share.row.kind) return std::nullopt;
            const auto slot = TRY(tables::load_slot(tx, key));
            if (share.slot && slot && slot->enabler_hash != share.slot->enabler_hash)
                return std::nullopt;
            if (share.row.kind == ShareKind::mutable_ && !share.slot && !slot) return std::nullopt;
            TRY(tables::insert_share(tx, key, share.row, core_.now_s()));
            if (share.row.place == Place::extents)
                for (const tables::Piece& piece : share.pieces)
                    TRY(tables::insert_piece(tx, key, share.row.share, piece));
            if (share.slot && !slot) TRY(tables::insert_slot(tx, key, *share.slot));
            TRY(tables::insert_lease(tx, key, share.row.share, lease));
            TRY(tables::forget_quarantined(tx, share.id));
            return std::optional(TRY(tables::change_usage(
                tx, key.grid, 1, static_cast<std::int64_t>(share.row.length))));
        }));
    if (!used) co_return false;
    core_.accounts.learn(key.grid, *used);
    log::info(
        "storage", "a quarantined share is sound again and was put back",
        {{"grid", key.grid.value}, {"index", key.index.to_text()}, {"share", share.row.share}});
    co_return true;
}

rt::Task<Result<CareStatus>> Checker::status(const rt::Context& ctx) {
    co_return co_await core_.db.read(ctx, [](sql::Reader& db) -> Result<CareStatus> {
        CareStatus out;
        const UsageRow total = TRY(tables::total_usage(db));
        out.shares = total.shares;
        out.data_bytes = total.data_bytes;
        out.quarantined = TRY(tables::count_quarantined(db));
        out.advisories = TRY(tables::count_advisories(db));
        if (const auto scrub = TRY(tables::load_scrub(db))) {
            out.scrub_began = scrub->began;
            out.scrub_ended = scrub->ended;
            out.scrub_shares = scrub->shares;
            out.scrub_bytes = scrub->bytes;
            out.scrub_damaged = scrub->damaged;
        }
        return out;
    });
}

}  // namespace s4::storage
