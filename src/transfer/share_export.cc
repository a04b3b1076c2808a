#include "transfer/share_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "rt/pool.h"
#include "rt/scope.h"
#include "transfer/limits.h"
#include "transfer/share_tree.h"

namespace s4::transfer {
namespace {

constexpr std::string_view kUnfinished = ".new";

std::vector<tahoe::Lease> leases_of(std::vector<storage::LeaseInfo> kept) {
    std::ranges::sort(kept, [](const storage::LeaseInfo& a, const storage::LeaseInfo& b) {
        return a.renew_hash < b.renew_hash;
    });
    std::vector<tahoe::Lease> out;
    for (const storage::LeaseInfo& lease : kept) {
        if (out.size() == tahoe::kLeasesMax) break;
        out.push_back({.owner = 1,
                       .expires_s = static_cast<std::uint32_t>(
                           std::clamp<UnixSeconds>(lease.expires, 0, UINT32_MAX)),
                       .renew_hash = lease.renew_hash,
                       .cancel_hash = lease.cancel_hash});
    }
    return out;
}

bool is_damage(const Error& error) {
    return error.kind() == ErrorKind::corrupt;
}

}  // namespace

rt::Task<Result<ExportReport>> ShareExport::run(const rt::Context& ctx, const Tell& tell) {
    const std::uint64_t expected = CO_TRY(co_await engine_.usage(ctx, grid_))
    .shares;
    std::optional<std::pair<storage::StorageIndex, storage::ShareNumber>> after;
    for (;;) {
        const auto rows = CO_TRY(co_await engine_.shares_after(ctx, grid_, after, kSharesPerPage));
        if (rows.empty()) break;
        std::vector<IndexKind> page;
        for (const storage::ShareInfo& row : rows)
            if (page.empty() || page.back().index != row.index)
                page.push_back({row.index, row.kind});
        // Shares of the page's last index that lie behind it are exported with it.
        after = {page.back().index, storage::kShareNumberMax};
        Result<void> outcome = ok();
        std::size_t next = 0;
        rt::Scope scope(ctx);
        for (std::size_t i = 0; i < std::min(kIndexesInFlight, page.size()); ++i)
            scope.spawn(work(scope.context(), page, next, outcome));
        co_await scope.join();
        CO_TRY(std::move(outcome));
        tell(fmt::format("{} of {} shares, {} of them written now", report_.shares, expected,
                         report_.written));
    }
    const Prefixes prefixes = CO_TRY(co_await rt::run_on(
        runtime_.pool, runtime_.reactor, [&] { return list_prefixes(runtime_.files, shares_); }));
    for (const std::string& prefix : prefixes.names)
        CO_TRY(co_await remove_gone(ctx, shares_ + "/" + prefix));
    co_return report_;
}

rt::Task<void> ShareExport::work(const rt::Context& ctx, const std::vector<IndexKind>& page,
                                 std::size_t& next, Result<void>& outcome) {
    while (outcome && next < page.size()) {
        const IndexKind& index = page[next++];
        Result<void> done = co_await export_index(ctx, index);
        if (!done && outcome) outcome = std::move(done);
    }
}

rt::Task<Result<void>> ShareExport::export_index(const rt::Context& ctx, const IndexKind& index) {
    Secret enabler;
    if (index.kind == storage::ShareKind::mutable_) {
        auto found = co_await engine_.write_enabler(ctx, grid_, index.index);
        if (!found && found.error().kind() == ErrorKind::not_found) co_return ok();  // it went
        enabler = CO_TRY(std::move(found));
    }
    const std::string folder = index_folder(shares_, index.index);
    auto shares = co_await engine_.open_all(ctx, grid_, index.index, index.kind);
    if (!shares && is_damage(shares.error()))
        co_return co_await skipped_.add(ctx, folder, shares.error().sentence());
    bool wrote = false;
    for (auto& share : CO_TRY(std::move(shares))) {
        const Wanted file = CO_TRY(co_await wanted(ctx, index, std::move(share), enabler));
        auto current = co_await is_current(ctx, file);
        Result<void> done = ok();
        if (!current)
            done = fail(std::move(current).error());
        else if (!*current)
            done = co_await write(ctx, file);
        if (!done && is_damage(done.error())) {
            CO_TRY(co_await skipped_.add(ctx, file.path, done.error().sentence()));
            continue;
        }
        CO_TRY(std::move(done));
        ++report_.shares;
        wrote = wrote || !*current;
    }
    if (!wrote) co_return ok();
    co_return co_await rt::run_on(runtime_.pool, runtime_.reactor, [&]() -> Result<void> {
        TRY(runtime_.files.sync_directory(folder));
        TRY(runtime_.files.sync_directory(rt::parent_path(folder)));
        return runtime_.files.sync_directory(shares_);
    });
}

rt::Task<Result<ShareExport::Wanted>> ShareExport::wanted(
    const rt::Context& ctx, const IndexKind& index, std::shared_ptr<storage::ShareReader> share,
    const Secret& enabler) {
    const auto leases =
        leases_of(CO_TRY(co_await engine_.leases(ctx, grid_, index.index, share->share())));
    const std::uint64_t length = share->length();
    const bool immutable = index.kind == storage::ShareKind::immutable;
    Wanted out;
    out.path = fmt::format("{}/{}", index_folder(shares_, index.index), share->share());
    if (!immutable && enabler.size() != tahoe::kWriteEnablerBytes)
        co_return fail(ErrorKind::corrupt, "export.enabler",
                       "its write enabler is of a length that Tahoe-LAFS does not know");
    out.head = immutable ? tahoe::write_immutable_head(length, leases.size())
                         : tahoe::write_mutable_head(tub_id_, enabler, length, leases);
    out.tail = immutable ? tahoe::write_immutable_tail(leases)
                         : tahoe::write_mutable_tail(tub_id_, leases);
    out.share = std::move(share);
    co_return out;
}

rt::Task<Result<bool>> ShareExport::is_current(const rt::Context& ctx, const Wanted& wanted) {
    const std::uint64_t size = wanted.head.size() + wanted.share->length() + wanted.tail.size();
    const bool immutable = wanted.share->kind() == storage::ShareKind::immutable;
    struct Found {
        std::unique_ptr<rt::File> file;
        bool same_head = false;
        bool same_tail = false;
    };
    // A file of another length or head is written anew, whatever it is.
    const auto found =
        CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor, [&]() -> Result<Found> {
            const auto info = runtime_.files.info(wanted.path);
            if (!info || info->size != size) return Found{};
            Found out {
                TRY(runtime_.files.open(wanted.path, rt::OpenMode::write))
                , false, false
            };
            ByteBuffer bytes(wanted.head.size());
            out.same_head = TRY(out.file->read_at(0, bytes))
            == bytes.size() && bytes == wanted.head;
            bytes.resize(wanted.tail.size());
            const std::uint64_t tail_at = size - wanted.tail.size();
            out.same_tail = TRY(out.file->read_at(tail_at, bytes))
            == bytes.size() && bytes == wanted.tail;
            // A cut in this is seen by the next export, and mended.
            if (immutable && out.same_head && !out.same_tail) {
                TRY(out.file->write_at(tail_at, wanted.tail));
                TRY(out.file->sync());
                out.same_tail = true;
            }
            return out;
        }));
    if (!found.file || !found.same_head || !found.same_tail) co_return false;
    if (immutable) co_return true;
    co_return co_await same_data(ctx, wanted, *found.file);
}

rt::Task<Result<bool>> ShareExport::same_data(const rt::Context& ctx, const Wanted& wanted,
                                              rt::File& file) {
    ByteBuffer scratch;
    ByteBuffer there(kCopyBytes);
    for (std::uint64_t at = 0; at < wanted.share->length();) {
        const ByteView bytes = CO_TRY(co_await wanted.share->read(ctx, at, kCopyBytes, scratch));
        if (bytes.empty()) co_return false;
        const std::uint64_t from = wanted.head.size() + at;
        const std::size_t got = CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor, [&] {
            return file.read_at(from, MutByteView(there).first(bytes.size()));
        }));
        if (!equal(ByteView(there).first(got), bytes)) co_return false;
        at += bytes.size();
    }
    co_return true;
}

rt::Task<Result<void>> ShareExport::write(const rt::Context& ctx, const Wanted& wanted) {
    const std::string temporary = wanted.path + std::string(kUnfinished);
    rt::Files& files = runtime_.files;
    const auto file = CO_TRY(co_await rt::run_on(
        runtime_.pool, runtime_.reactor, [&]() -> Result<std::unique_ptr<rt::File>> {
            TRY(files.make_directories(rt::parent_path(wanted.path)));
            auto out = TRY(files.open(temporary, rt::OpenMode::create));
            TRY(out->truncate(0));
            TRY(out->write_at(0, wanted.head));
            return out;
        }));
    ByteBuffer scratch;
    std::uint64_t at = 0;
    while (at < wanted.share->length()) {
        const ByteView bytes = CO_TRY(co_await wanted.share->read(ctx, at, kCopyBytes, scratch));
        if (bytes.empty())
            co_return fail(ErrorKind::corrupt, "export.cut", "the share is shorter than it says");
        const std::uint64_t to = wanted.head.size() + at;
        CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                   [&] { return file->write_at(to, bytes); }));
        at += bytes.size();
    }
    CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor, [&]() -> Result<void> {
        TRY(file->write_at(wanted.head.size() + at, wanted.tail));
        TRY(file->sync());
        return files.rename(temporary, wanted.path);
    }));
    ++report_.written;
    report_.written_bytes += wanted.share->length();
    co_return ok();
}

rt::Task<Result<void>> ShareExport::remove_gone(const rt::Context& ctx, const std::string& prefix) {
    if (ctx.cancel.cancelled()) co_return fail(rt::cancelled_error());
    const auto names = CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                                  [&] { return runtime_.files.list(prefix); }));
    for (const std::string& name : names)
        if (const auto index = storage::StorageIndex::from_text(name))
            CO_TRY(co_await remove_gone_of(ctx, prefix + "/" + name, *index));
    co_return ok();
}

rt::Task<Result<void>> ShareExport::remove_gone_of(const rt::Context& ctx,
                                                   const std::string& folder,
                                                   const storage::StorageIndex& index) {
    std::set<storage::ShareNumber> there;
    for (const storage::ShareKind kind :
         {storage::ShareKind::immutable, storage::ShareKind::mutable_})
        for (const storage::ShareNumber share :
             CO_TRY(co_await engine_.list(ctx, grid_, index, kind)))
            there.insert(share);
    report_.removed +=
        CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor, [&]() -> Result<std::uint64_t> {
            std::uint64_t removed = 0;
            std::size_t left = 0;
            for (const std::string& name : TRY(runtime_.files.list(folder))) {
                const auto number = parse_share_number(name);
                const bool gone = number && !there.contains(*number);
                if (gone || name.ends_with(kUnfinished))
                    TRY(runtime_.files.remove(folder + "/" + name));
                else
                    ++left;
                removed += gone ? 1 : 0;
            }
            if (left == 0) TRY(runtime_.files.remove_directory(folder));
            return removed;
        }));
    co_return ok();
}

}  // namespace s4::transfer
