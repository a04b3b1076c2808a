#include "transfer/share_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "rt/pool.h"
#include "rt/scope.h"
#include "transfer/limits.h"

namespace s4::transfer {
namespace {

constexpr std::size_t kUploadSecretBytes = 20;

// The same in every run, so that a later one finds what an earlier one left.
storage::LeaseSecrets own_secrets() {
    return {Secret(crypto::sha256(as_bytes("s4 import: renew"))),
            Secret(crypto::sha256(as_bytes("s4 import: cancel")))};
}

// Whether the error is about one share and not about the grid, the disk or the node.
bool refuses_one(const Error& error) {
    switch (error.kind()) {
        case ErrorKind::invalid:
        case ErrorKind::unauthorized:
        case ErrorKind::not_found:
        case ErrorKind::conflict:
        case ErrorKind::too_large:
        case ErrorKind::corrupt:
        case ErrorKind::unsupported:
            return true;
        case ErrorKind::no_space:
        case ErrorKind::unavailable:
        case ErrorKind::timeout:
        case ErrorKind::cancelled:
        case ErrorKind::closed:
        case ErrorKind::io:
            return false;
    }
    return false;
}

std::vector<storage::LeaseInfo> leases_of(const OpenShare& file) {
    std::vector<storage::LeaseInfo> out;
    for (const tahoe::Lease& lease : file.leases)
        out.push_back({lease.renew_hash, lease.cancel_hash, lease.expires_s});
    return out;
}

// Appends the share's data to an upload's write or a staging area, piece by piece.
template <typename Sink>
rt::Task<Result<void>> copy_data(const rt::Context& ctx, rt::Runtime& runtime,
                                 const OpenShare& share, Sink& into) {
    ByteBuffer buffer(
        static_cast<std::size_t>(std::min<std::uint64_t>(kCopyBytes, share.head.data_bytes)));
    for (std::uint64_t at = 0; at < share.head.data_bytes;) {
        const std::size_t want = static_cast<std::size_t>(
            std::min<std::uint64_t>(buffer.size(), share.head.data_bytes - at));
        const std::uint64_t from = share.head.data_at + at;
        const auto got = co_await rt::run_on(runtime.pool, runtime.reactor, [&] {
            return share.file->read_at(from, MutByteView(buffer).first(want));
        });
        // A disk that cannot read one file may read the others.
        if (!got) co_return fail(ErrorKind::corrupt, "import.unreadable", got.error().sentence());
        if (*got != want)
            co_return fail(ErrorKind::corrupt, "tahoe.cut", "it became shorter while it was read");
        CO_TRY(co_await into.append(ctx, ByteView(buffer).first(want)));
        at += want;
    }
    co_return ok();
}

}  // namespace

rt::Task<Result<Survey>> survey(const rt::Context& ctx, rt::Runtime& runtime, std::string shares,
                                SkippedList& skipped, const Tell& tell) {
    Survey out;
    const Prefixes prefixes = CO_TRY(co_await rt::run_on(
        runtime.pool, runtime.reactor, [&] { return list_prefixes(runtime.files, shares); }));
    for (const SkippedFile& file : prefixes.skipped)
        CO_TRY(co_await skipped.add(ctx, file.path, file.reason));
    for (const std::string& prefix : prefixes.names) {
        const PrefixScan scan = CO_TRY(co_await rt::run_on(runtime.pool, runtime.reactor, [&] {
            return scan_prefix(runtime.files, shares, prefix);
        }));
        for (const SkippedFile& file : scan.skipped)
            CO_TRY(co_await skipped.add(ctx, file.path, file.reason));
        out.shares += scan.shares.size();
        for (const FoundShare& share : scan.shares) out.data_bytes += share.data_bytes;
        tell(fmt::format("looked at {} shares", out.shares));
        if (ctx.cancel.cancelled()) co_return fail(rt::cancelled_error());
    }
    co_return out;
}

rt::Task<Result<ImportReport>> ShareImport::run(const rt::Context& ctx, Survey expected,
                                                const Tell& tell) {
    const Prefixes prefixes = CO_TRY(co_await rt::run_on(
        runtime_.pool, runtime_.reactor, [&] { return list_prefixes(runtime_.files, shares_); }));
    for (const SkippedFile& file : prefixes.skipped)
        CO_TRY(co_await skipped_.add(ctx, file.path, file.reason));
    for (const std::string& prefix : prefixes.names) {
        if (ctx.cancel.cancelled()) co_return fail(rt::cancelled_error());
        const PrefixScan scan = CO_TRY(co_await rt::run_on(runtime_.pool, runtime_.reactor, [&] {
            return scan_prefix(runtime_.files, shares_, prefix);
        }));
        for (const SkippedFile& file : scan.skipped)
            CO_TRY(co_await skipped_.add(ctx, file.path, file.reason));
        std::vector<Group> groups;
        for (std::size_t begin = 0, end = 0; begin < scan.shares.size(); begin = end) {
            while (end < scan.shares.size() && scan.shares[end].index == scan.shares[begin].index)
                ++end;
            groups.push_back(Group(scan.shares).subspan(begin, end - begin));
        }
        Result<void> outcome = ok();
        std::size_t next = 0;
        rt::Scope scope(ctx);
        for (std::size_t i = 0; i < std::min(kIndexesInFlight, groups.size()); ++i)
            scope.spawn(work(scope.context(), groups, next, outcome));
        co_await scope.join();
        CO_TRY(std::move(outcome));
        tell(fmt::format("{} of {} shares, {} of them stored now", report_.stored + report_.there,
                         expected.shares, report_.stored));
    }
    co_return report_;
}

rt::Task<void> ShareImport::work(const rt::Context& ctx, const std::vector<Group>& groups,
                                 std::size_t& next, Result<void>& outcome) {
    while (outcome && next < groups.size()) {
        const Group group = groups[next++];
        Result<void> done = co_await import_index(ctx, group);
        if (!done && outcome) outcome = std::move(done);
    }
}

rt::Task<Result<void>> ShareImport::import_index(const rt::Context& ctx, Group group) {
    std::vector<storage::AdoptedLeases> adopted;
    for (const FoundShare& share : group) {
        const auto file = co_await rt::run_on(runtime_.pool, runtime_.reactor, [&] {
            return open_share(runtime_.files, share.path);
        });
        Result<bool> there = file ? co_await store(ctx, share, *file)
                                  : Result<bool>(fail(ErrorKind::corrupt, "import.unreadable",
                                                      file.error().sentence()));
        if (!there && !refuses_one(there.error()))
            co_return fail(std::move(there).error().with(share.path));
        if (!there) {
            CO_TRY(co_await skipped_.add(ctx, share.path, there.error().sentence()));
            continue;
        }
        *there ? ++report_.there : ++report_.stored;
        if (!*there) report_.stored_bytes += file->head.data_bytes;
        adopted.push_back({share.share, leases_of(*file)});
    }
    co_return co_await engine_.adopt_leases(ctx, grid_, group.front().index, std::move(adopted),
                                            own_secrets());
}

rt::Task<Result<bool>> ShareImport::store(const rt::Context& ctx, const FoundShare& share,
                                          const OpenShare& file) {
    // Between survey and now the node may have changed it, if it runs still.
    if ((file.head.kind == tahoe::Kind::immutable) != (share.kind == storage::ShareKind::immutable))
        co_return fail(ErrorKind::conflict, "import.changed", "it changed while it was imported");
    if (share.kind == storage::ShareKind::immutable)
        co_return co_await store_immutable(ctx, share, file);
    co_return co_await store_mutable(ctx, share, file);
}

rt::Task<Result<void>> ShareImport::check_same_length(const rt::Context& ctx,
                                                      const FoundShare& share) {
    const auto reader = CO_TRY(co_await engine_.open(ctx, grid_, share.index, share.share,
                                                     share.kind, storage::ByteRange{0, 0}));
    if (reader->length() == share.data_bytes) co_return ok();
    co_return fail(
        ErrorKind::conflict, "import.differs",
        fmt::format("the grid has another share in its place, of {} bytes", reader->length()));
}

rt::Task<Result<bool>> ShareImport::store_immutable(const rt::Context& ctx, const FoundShare& share,
                                                    const OpenShare& file) {
    const storage::UploadOwner owner = crypto::random_secret(runtime_.random, kUploadSecretBytes);
    const storage::UploadKey key{grid_, share.index, share.share};
    const std::uint64_t size = file.head.data_bytes;
    const storage::AllocateAnswer answer = CO_TRY(co_await engine_.allocate(
        ctx, grid_, {share.index, own_secrets(), owner, {share.share}, size}));
    if (std::ranges::binary_search(answer.already_have, share.share)) {
        CO_TRY(co_await check_same_length(ctx, share));
        co_return true;
    }
    if (answer.allocated.empty())
        co_return fail(ErrorKind::no_space, "import.no_room",
                       fmt::format("there is no room for a share of {} bytes; when there is, run "
                                   "the import again, and it goes on",
                                   size));
    Result<void> done = ok();
    if (size == 0) {
        done = co_await engine_.finish_upload(ctx, key, owner);
    } else {
        auto write = co_await engine_.begin_write(ctx, key, owner, 0, size);
        if (!write) {
            done = fail(std::move(write).error());
        } else {
            storage::UploadWrite& into = **write;
            done = co_await copy_data(ctx, runtime_, file, into);
            if (done) {
                auto finished = co_await into.finish(ctx);
                if (!finished) done = fail(std::move(finished).error());
            }
        }
    }
    if (done) co_return false;
    (void)co_await engine_.abort_upload(rt::Context(), key, owner);
    co_return fail(std::move(done).error());
}

rt::Task<Result<bool>> ShareImport::store_mutable(const rt::Context& ctx, const FoundShare& share,
                                                  const OpenShare& file) {
    storage::TestWriteRequest request;
    request.index = share.index;
    request.write_enabler = file.head.write_enabler;
    request.secrets = own_secrets();
    request.staging = engine_.stage();
    CO_TRY(co_await copy_data(ctx, runtime_, file, *request.staging));
    // Only where there is none: what a client wrote meanwhile is newer.
    storage::ShareTestWrite& write = request.shares[share.share];
    write.tests.push_back({.offset = 0, .size = 1, .specimen = {}});
    write.writes.push_back({.offset = 0, .data = {0, file.head.data_bytes}});
    const storage::TestWriteAnswer answer =
        CO_TRY(co_await engine_.read_test_write(ctx, grid_, std::move(request)));
    co_return !answer.success;
}

}  // namespace s4::transfer
