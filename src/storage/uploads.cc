#include "storage/uploads.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/metrics.h"

namespace s4::storage {
namespace {

metrics::Gauge& open_uploads() {
    static metrics::Gauge& gauge =
        metrics::gauge("s4_storage_uploads", "Immutable shares being uploaded");
    return gauge;
}

metrics::Counter& shares_stored() {
    static metrics::Counter& counter =
        metrics::counter("s4_storage_shares_stored_total", "Shares made", {{"kind", "immutable"}});
    return counter;
}

Result<void> check_request(const AllocateRequest& request) {
    TRY(check_secrets(request.secrets));
    if (request.shares.size() > kSharesPerCallMax)
        return fail(ErrorKind::too_large, "storage.too_many_shares",
                    fmt::format("at most {} shares are allocated at a time", kSharesPerCallMax));
    const auto* secret = std::get_if<Secret>(&request.owner);
    if (secret && (secret->empty() || secret->size() > kUploadSecretBytesMax))
        return fail(ErrorKind::invalid, "storage.invalid_secret",
                    fmt::format("an upload secret has 1 to {} bytes", kUploadSecretBytesMax));
    return ok();
}

Result<void> check_kind(const IndexRows& rows) {
    if (!rows.empty() && rows.front().kind != ShareKind::immutable)
        return fail(ErrorKind::conflict, "storage.wrong_kind", "the index holds mutable shares");
    return ok();
}

}  // namespace

rt::Task<Result<AllocateAnswer>> Uploads::allocate(const rt::Context& ctx, GridId grid,
                                                   AllocateRequest request) {
    const GridPolicy policy = CO_TRY(core_.policy(grid));
    CO_TRY(check_request(request));
    const IndexKey key{grid, request.index};
    const UsageRow used = CO_TRY(co_await core_.used(ctx, grid));
    auto rows = CO_TRY(co_await core_.index(ctx, key));

    CO_TRY(check_kind(*rows));

    std::vector<ShareNumber> there;
    for (const ShareRow& row : *rows) there.push_back(row.share);
    if (!there.empty()) {
        co_await renew(ctx, policy, key, there, core_.lease(request.secrets));
        rows = CO_TRY(co_await core_.index(ctx, key));  // others went on meanwhile
        CO_TRY(check_kind(*rows));
    }

    // From here to the end nothing waits: what is decided is true.
    AllocateAnswer answer;
    for (const ShareRow& row : *rows) answer.already_have.push_back(row.share);
    const std::set<ShareNumber> asked(request.shares.begin(), request.shares.end());
    for (const ShareNumber share : asked) {
        if (find_share(*rows, share)) continue;
        if (share > kShareNumberMax || rows->size() + asked.size() > kSharesPerIndexMax) continue;
        if (try_allocate(policy, core_.accounts.used(grid).value_or(used),
                         {grid, request.index, share}, request))
            answer.allocated.push_back(share);
    }
    co_return answer;
}

// A full or read-only grid renews, and adds nothing; neither stops the rest of the call.
rt::Task<void> Uploads::renew(const rt::Context& ctx, const GridPolicy& policy, const IndexKey& key,
                              std::vector<ShareNumber> shares, tables::Lease lease) {
    const tables::LeaseRule rule{
        policy.access == Access::read_write ? tables::NewLeases::add : tables::NewLeases::skip,
        tables::NewLeases::skip, policy.leases_per_share_max};
    const auto done =
        co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<std::size_t> {
            const IndexRows rows = TRY(tables::load_index(tx, key));
            std::size_t renewed = 0;
            for (const ShareNumber share : shares) {
                if (!find_share(rows, share)) continue;
                TRY(tables::put_lease(tx, key, share, lease, rule));
                ++renewed;
            }
            return renewed;
        });
    if (!done) (void)core_.alarm(done.error());
}

bool Uploads::try_allocate(const GridPolicy& policy, const UsageRow& used, const UploadKey& key,
                           const AllocateRequest& request) {
    if (const auto at = uploads_.find(key); at != uploads_.end()) {
        Upload& other = *at->second;
        if (other.secret_owned() && other.owned_by(request.owner))
            return other.size == request.size && !other.committing;
        if (!replaceable(other, request)) return false;
        remove(other);
    }
    if (draining_ || request.size > kImmutableShareBytesMax) return false;
    if (core_.accounts.uploads(key.grid) >= policy.uploads_max) return false;
    if (request.size + kShareOverheadBytes > core_.room(policy, used, key.grid)) return false;
    auto upload = std::make_shared<Upload>(core_, key, request.owner, core_.lease(request.secrets),
                                           request.size, memory_bytes_);
    core_.accounts.reserve(key.grid, upload->reserved_bytes());
    uploads_.emplace(key, std::move(upload));
    open_uploads().set(static_cast<double>(uploads_.size()));
    idle_.clear();
    return true;
}

// Reference D.8 c: a client that died in mid-upload comes back with the same renew secret and a new
// upload secret, and must not wait for the idle timer. An active upload is not handed over.
bool Uploads::replaceable(const Upload& upload, const AllocateRequest& request) const {
    return upload.secret_owned() && upload.users == 0 &&
           core_.now() - upload.last_active >= kUploadReplaceableAfter &&
           upload.lease.renew_hash == core_.lease(request.secrets).renew_hash;
}

Result<Uploads::Handle> Uploads::find(const UploadKey& key, const UploadOwner& owner) const {
    const auto at = uploads_.find(key);
    if (at == uploads_.end())
        return fail(ErrorKind::not_found, "storage.no_such_upload",
                    "no upload of this share is under way");
    if (!at->second->owned_by(owner))
        return fail(ErrorKind::unauthorized, "storage.wrong_upload_secret",
                    "the upload belongs to someone else");
    return at->second;
}

// Its bytes are freed, and its reservation ends. An intent that it had is the collector's now.
void Uploads::remove(Upload& upload) {
    upload.gone = true;
    upload.blob.reset();
    core_.accounts.release(upload.key.grid, upload.reserved_bytes());
    uploads_.erase(UploadKey(upload.key));  // may free `upload`
    open_uploads().set(static_cast<double>(uploads_.size()));
    if (uploads_.empty()) idle_.set();
}

rt::Task<Result<void>> Uploads::finish(const rt::Context& ctx, const UploadKey& key,
                                       const UploadOwner& owner) {
    CO_TRY(core_.policy(key.grid));
    const Use upload(CO_TRY(find(key, owner)));
    CO_TRY(co_await upload->turn.acquire(ctx));
    Result<void> done = ok();
    if (upload->gone)
        done = fail(ErrorKind::not_found, "storage.no_such_upload",
                    "no upload of this share is under way");
    if (done) done = co_await commit(ctx, *upload);
    upload->turn.release();
    co_return done;
}

rt::Task<Result<void>> Uploads::abort(const rt::Context& ctx, const UploadKey& key,
                                      const UploadOwner& owner) {
    CO_TRY(core_.policy(key.grid));
    const auto upload = find(key, owner);
    if (upload && !(*upload)->committing) {
        remove(**upload);
        co_return ok();
    }
    if (!upload && !upload.error().is("storage.no_such_upload")) co_return fail(upload.error());
    if (!upload) {
        const auto rows = CO_TRY(co_await core_.index(ctx, {key.grid, key.index}));
        const ShareRow* row = find_share(*rows, key.share);
        if (!row || row->kind != ShareKind::immutable) co_return fail(upload.error());
    }
    co_return fail(ErrorKind::conflict, "storage.upload_complete", "the share is complete");
}

void Uploads::connection_lost(ConnectionId connection) {
    std::vector<Handle> lost;
    for (const auto& [key, upload] : uploads_) {
        const auto* owner = std::get_if<ConnectionId>(&upload->owner);
        if (owner && *owner == connection && !upload->committing) lost.push_back(upload);
    }
    for (const Handle& upload : lost) remove(*upload);
}

void Uploads::sweep() {
    std::vector<Handle> idle;
    for (const auto& [key, upload] : uploads_) {
        const Duration limit = upload->secret_owned() ? kUploadIdleMax : kConnectionUploadIdleMax;
        if (upload->users == 0 && core_.now() - upload->last_active >= limit)
            idle.push_back(upload);
    }
    for (const Handle& upload : idle) remove(*upload);
}

void Uploads::abort_all() {
    std::vector<Handle> all;
    for (const auto& [key, upload] : uploads_)
        if (!upload->committing) all.push_back(upload);
    for (const Handle& upload : all) remove(*upload);
}

rt::Task<Result<void>> Uploads::commit(const rt::Context& ctx, Upload& upload) {
    upload.committing = true;
    Result<void> done = ok();
    // A write that broke off may have left bytes where zeros belong.
    if (upload.stray_bytes)
        for (const ByteRange& hole : upload.written.missing(upload.size))
            if (done) done = co_await upload.bytes.write_zeros(ctx, hole);
    if (done) {
        const bool small = upload.size <= core_.options.small_share_bytes_max;
        done = small ? co_await commit_small(ctx, upload) : co_await commit_large(ctx, upload);
    }
    upload.committing = false;
    upload.last_active = core_.now();
    if (done) shares_stored().add();
    // Neither can be mended by asking again: another holds the share, or the bytes are lost.
    const bool hopeless =
        !done && (done.error().is("storage.share_exists") || done.error().is("blob.draft_lost"));
    if (done || hopeless || core_.closing) remove(upload);
    co_return done;
}

rt::Task<Result<void>> Uploads::commit_small(const rt::Context& ctx, Upload& upload) {
    const ByteBuffer data = CO_TRY(co_await upload.bytes.whole(ctx));
    ShareRow row;
    row.place = Place::small;
    co_return co_await commit_row(ctx, upload, row, data);
}

rt::Task<Result<void>> Uploads::commit_large(const rt::Context& ctx, Upload& upload) {
    if (!upload.published) {
        CO_TRY(co_await upload.bytes.begin_draft(ctx));
        CO_TRY(co_await sum_rest(ctx, upload));
        CO_TRY(co_await intend(ctx, upload));
        CO_TRY(co_await publish(ctx, upload));
    }
    co_return co_await commit_row(ctx, upload, *upload.published, {});
}

rt::Task<Result<void>> Uploads::publish(const rt::Context& ctx, Upload& upload) {
    const blob::Key key = upload.blob->key();
    ShareRow row;
    row.place = Place::blob;
    row.blob = key.name();
    row.version = core_.now_us();
    BlobHeader header;
    header.grid = key.grid();
    header.index = upload.key.index;
    header.share = upload.key.share;
    header.name = key.name();
    header.version = row.version;
    header.share_length = upload.size;
    header.data = {0, upload.size};
    header.made_us = row.version;
    blob::Draft& draft = *upload.bytes.draft();
    const ByteBuffer trailer = make_trailer(upload.sums, {});
    auto done = co_await upload.bytes.flush(ctx);
    if (done) done = co_await draft.write_at(ctx, 0, write_header(header));
    if (done) done = co_await draft.write_at(ctx, kBlobHeaderBytes + upload.size, trailer);
    if (done) done = co_await draft.publish(ctx, key, blob_size(upload.size, 0));
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    upload.published = row;
    co_return ok();
}

rt::Task<Result<void>> Uploads::intend(const rt::Context& ctx, Upload& upload) {
    if (upload.blob) co_return ok();
    BlobNames::Hold hold(core_.names, core_.new_blob(upload.key.grid));
    auto done = co_await core_.db.write(ctx, [&](sql::Transaction& tx) {
        return tables::insert_intent(tx, {hold.key().grid(), hold.key().name()}, core_.run,
                                     core_.now_s());
    });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    if (!upload.blob) upload.blob.emplace(std::move(hold));
    co_return ok();
}

// So that the intent's commit does not stand between the last byte and the answer.
rt::Task<void> Uploads::intend_early(Handle upload) {
    const rt::Context ctx = core_.background.context();
    if (!upload->gone) (void)co_await intend(ctx, *upload);
    if (upload->gone) upload->blob.reset();
}

// The checksums of what did not come in order.
rt::Task<Result<void>> Uploads::sum_rest(const rt::Context& ctx, Upload& upload) {
    ByteBuffer block(4 * kBlobBlockBytes);
    while (upload.sums.covered() < upload.size) {
        const std::uint64_t left = upload.size - upload.sums.covered();
        block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, block.size())));
        CO_TRY(co_await upload.bytes.read(ctx, upload.sums.covered(), block));
        upload.sums.append(block);
    }
    co_return ok();
}

rt::Task<Result<void>> Uploads::commit_row(const rt::Context& ctx, Upload& upload, ShareRow row,
                                           ByteView small_data) {
    const GridPolicy policy = CO_TRY(core_.writable(upload.key.grid));
    row.share = upload.key.share;
    row.kind = ShareKind::immutable;
    row.length = upload.size;
    if (row.version == 0) row.version = core_.now_us();
    const IndexKey key = upload.index_key();
    const UnixSeconds now = core_.now_s();
    tables::Lease lease = upload.lease;
    lease.expires = now + kLeaseSeconds;
    // Room was promised by the reservation; growth of mutable shares that was decided beside the
    // promise may have taken it, up to the overdraft (invariant 4).
    const std::uint64_t others = core_.accounts.reserved_bytes(key.grid) - upload.reserved_bytes();
    const std::uint64_t limit = policy.overdraft_limit_bytes();

    const IndexCache::Writing writing(core_.indexes, key);
    auto done = co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<UsageRow> {
        if (TRY(tables::load_slot(tx, key)))
            return fail(ErrorKind::conflict, "storage.share_exists",
                        "the index holds mutable shares");
        ShareRow share = row;
        if (share.place == Place::blob)
            TRY(tables::delete_intent(tx, {key.grid, share.blob}));
        else
            share.small_id = TRY(tables::insert_small(tx, small_data));
        TRY(tables::insert_share(tx, key, share, now));
        TRY(tables::insert_lease(tx, key, share.share, lease));
        const UsageRow used =
            TRY(tables::change_usage(tx, key.grid, 1, static_cast<std::int64_t>(share.length)));
        if (used.used_bytes() + others > limit)
            return fail(ErrorKind::no_space, "storage.no_space", "the grid's quota is used up");
        return used;
    });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    core_.accounts.learn(key.grid, *done);
    co_return ok();
}

}  // namespace s4::storage
