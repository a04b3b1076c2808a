#include "storage/slot_plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "rt/scope.h"
#include "storage/staging.h"

namespace s4::storage {
namespace {

constexpr std::size_t kPutsInParallel = 4;

std::uint64_t region_of(std::uint64_t offset) {
    return offset - offset % kExtentBytes;
}

// Which part of each region is written anew.
class Touched {
  public:
    void add(std::uint64_t from, std::uint64_t to) {
        while (from < to) {
            const std::uint64_t region = region_of(from);
            const std::uint64_t stop = std::min(to, region + kExtentBytes);
            const auto [at, fresh] = regions_.try_emplace(region, from, stop);
            if (!fresh) {
                at->second.first = std::min(at->second.first, from);
                at->second.second = std::max(at->second.second, stop);
            }
            from = stop;
        }
    }
    bool empty() const { return regions_.empty(); }
    const std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>>& regions() const {
        return regions_;
    }

  private:
    std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> regions_;
};

// What is left of the old pieces of a region beside `range`, and the new one in its place.
std::vector<tables::Piece> lay_over(const std::vector<tables::Piece>& old, ByteRange range,
                                    const tables::BlobName& blob) {
    const std::uint64_t end = range.offset + range.size;
    std::vector<tables::Piece> out = {{range, blob, 0}};
    for (const tables::Piece& piece : old) {
        const std::uint64_t piece_end = piece.at.offset + piece.at.size;
        if (piece.at.offset < range.offset)
            out.push_back({{piece.at.offset, std::min(piece_end, range.offset) - piece.at.offset},
                           piece.blob,
                           piece.blob_at});
        if (piece_end > end) {
            const std::uint64_t from = std::max(end, piece.at.offset);
            out.push_back(
                {{from, piece_end - from}, piece.blob, piece.blob_at + (from - piece.at.offset)});
        }
    }
    std::sort(out.begin(), out.end(), [](const tables::Piece& a, const tables::Piece& b) {
        return a.at.offset < b.at.offset;
    });
    return out;
}

}  // namespace

rt::Task<Result<TestWriteAnswer>> SlotPlan::run(const rt::Context& ctx) {
    CO_TRY(co_await load(ctx));
    CO_TRY(check_slot(call_, rows_, slot_));
    TestWriteAnswer answer;
    for (const ShareRow& row : rows_) {
        if (call_.request.reads.empty())
            answer.before.push_back({row.share, {}});
        else
            answer.before.push_back(extract(readers_.at(row.share), call_.request.reads));
    }
    if (!CO_TRY(co_await tests_pass(ctx))) co_return answer;

    for (const auto& [number, write] : call_.request.shares) {
        SharePlan plan;
        plan.number = number;
        plan.write = &write;
        const auto old = shares_.find(number);
        if (old != shares_.end()) plan.old = &old->second;
        CO_TRY(co_await plan_share(ctx, plan));
        plans_.push_back(std::move(plan));
    }
    for (const SharePlan& plan : plans_)
        for (const RegionPlan& region : plan.regions) puts_.push_back({&plan, &region});
    record_ = commit_record();
    if (!puts_.empty()) {
        CO_TRY(co_await intend(ctx));
        CO_TRY(co_await put_all(ctx));
    }
    CO_TRY(co_await commit(ctx));
    answer.success = true;
    co_return answer;
}

rt::Task<Result<void>> SlotPlan::load(const rt::Context& ctx) {
    struct Loaded {
        IndexRows rows;
        std::optional<tables::SlotRow> slot;
        std::map<ShareNumber, MutableShare> shares;
    };
    Loaded loaded = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Loaded> {
        Loaded out;
        out.rows = TRY(tables::load_index(db, call_.key));
        out.slot = TRY(tables::load_slot(db, call_.key));
        for (const ShareRow& row : out.rows) {
            const bool needed =
                !call_.request.reads.empty() || call_.request.shares.contains(row.share);
            if (row.kind == ShareKind::mutable_ && needed)
                out.shares.emplace(row.share, TRY(load_mutable(db, call_.key, row, kWholeShare)));
        }
        return out;
    }));
    rows_ = std::move(loaded.rows);
    slot_ = std::move(loaded.slot);
    shares_ = std::move(loaded.shares);
    for (const auto& [number, share] : shares_)
        readers_.emplace(number, make_mutable_reader(core_, call_.key, share));
    co_return ok();
}

rt::Task<Result<bool>> SlotPlan::tests_pass(const rt::Context& ctx) {
    for (const auto& [number, write] : call_.request.shares) {
        const auto reader = readers_.find(number);
        for (const TestVector& test : write.tests)
            if (!CO_TRY(co_await passes(
                    ctx, reader == readers_.end() ? nullptr : reader->second.get(), test)))
                co_return false;
    }
    co_return true;
}

rt::Task<Result<bool>> SlotPlan::passes(const rt::Context& ctx, ShareReader* reader,
                                        const TestVector& test) {
    const ByteRange range = clip({test.offset, test.size}, reader ? reader->length() : 0);
    if (range.size != test.specimen.size()) co_return false;
    if (range.size == 0) co_return true;
    ByteBuffer scratch;
    const ByteView there = CO_TRY(
        co_await reader->read(ctx, range.offset, static_cast<std::size_t>(range.size), scratch));
    co_return equal(there, test.specimen);
}

rt::Task<Result<void>> SlotPlan::plan_share(const rt::Context& ctx, SharePlan& plan) {
    plan.length = length_after(plan.old_length(), *plan.write);
    plan.version = std::max(plan.old ? plan.old->row.version + 1 : 0, core_.now_us());
    const bool was_large = plan.old && plan.old->row.place == Place::extents;
    for (const WriteVector& write : plan.write->writes)
        plan.written.add({write.offset, write.data.size});
    if (deletes(*plan.write)) {
        if (plan.old) plan.outcome = SharePlan::Outcome::deleted;
        co_return ok();
    }
    if (plan.length > core_.options.small_share_bytes_max) {
        plan_regions(plan);
        co_return ok();
    }
    plan.outcome = SharePlan::Outcome::small;
    plan.data.resize(static_cast<std::size_t>(plan.length));
    if (was_large)
        for (const tables::Piece& piece : plan.old->pieces) plan.superseded.insert(piece.blob);
    co_return co_await assemble(ctx, plan, {0, plan.length}, plan.data);
}

void SlotPlan::plan_regions(SharePlan& plan) {
    const bool was_large = plan.old && plan.old->row.place == Place::extents;
    Touched touched;
    for (const WriteVector& write : plan.write->writes)
        touched.add(write.offset, std::min(write.offset + write.data.size, plan.length));
    if (!was_large) touched.add(0, std::min(plan.old_length(), plan.length));
    // docs/formats/blob.md, rule 1 of rebuilding.
    if (plan.length < plan.old_length()) touched.add(region_of(plan.length - 1), plan.length);
    if (touched.empty() && plan.length != plan.old_length())
        touched.add(plan.length - 1, plan.length);
    if (touched.empty()) return;

    plan.outcome = SharePlan::Outcome::extents;
    for (const auto& [region, range] : touched.regions())
        plan_region(plan, region, {range.first, range.second - range.first});
    if (!was_large) return;
    for (const tables::Piece& piece : plan.old->pieces)
        if (piece.at.offset >= plan.length) plan.superseded.insert(piece.blob);
    // Names of one region stand in no other, so that what its pieces keep is all that is kept.
    for (const RegionPlan& region : plan.regions)
        for (const tables::Piece& piece : region.pieces) plan.superseded.erase(piece.blob);
}

void SlotPlan::plan_region(SharePlan& plan, std::uint64_t region, ByteRange range) {
    std::vector<tables::Piece> old;
    if (plan.old) {
        const auto& pieces = plan.old->pieces;
        auto piece = std::lower_bound(
            pieces.begin(), pieces.end(), region,
            [](const tables::Piece& p, std::uint64_t at) { return p.at.offset < at; });
        for (; piece != pieces.end() && piece->at.offset < region + kExtentBytes; ++piece) {
            plan.superseded.insert(piece->blob);
            if (piece->at.offset >= plan.length) continue;
            old.push_back(*piece);
            old.back().at.size = std::min(piece->at.size, plan.length - piece->at.offset);
        }
    }
    BlobNames::Hold blob(core_.names, core_.new_blob(call_.key.grid));
    auto pieces = lay_over(old, range, blob.key().name());
    if (pieces.size() > kPiecesPerExtentMax) {
        range = {region, std::min(region + kExtentBytes, plan.length) - region};
        pieces = lay_over({}, range, blob.key().name());
    }
    plan.regions.push_back({range, std::move(blob), std::move(pieces)});
}

rt::Task<Result<void>> SlotPlan::assemble(const rt::Context& ctx, const SharePlan& plan,
                                          ByteRange range, MutByteView into) {
    const auto covered = plan.written.inside(range);
    const bool all_new = covered.size() == 1 && covered.front() == range;
    std::fill(into.begin(), into.end(), 0);
    if (plan.old && !all_new && range.size != 0) {
        ByteBuffer scratch;
        const ByteView old =
            CO_TRY(co_await readers_.at(plan.number)
                       ->read(ctx, range.offset, static_cast<std::size_t>(range.size), scratch));
        std::copy(old.begin(), old.end(), into.begin());
    }
    const std::uint64_t end = range.offset + range.size;
    for (const WriteVector& write : plan.write->writes) {
        const std::uint64_t from = std::max(range.offset, write.offset);
        const std::uint64_t to = std::min(end, write.offset + write.data.size);
        if (from >= to) continue;
        auto& staging = static_cast<MemoryThenFile&>(*call_.request.staging);
        CO_TRY(co_await staging.read(ctx, write.data.offset + (from - write.offset),
                                     into.subspan(static_cast<std::size_t>(from - range.offset),
                                                  static_cast<std::size_t>(to - from))));
    }
    co_return ok();
}

rt::Task<Result<void>> SlotPlan::intend(const rt::Context& ctx) {
    auto done = co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        for (const Put& put : puts_)
            TRY(tables::insert_intent(tx, {call_.key.grid, put.region->blob.key().name()},
                                      core_.run, core_.now_s()));
        return ok();
    });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    co_return ok();
}

rt::Task<Result<void>> SlotPlan::put_all(const rt::Context& ctx) {
    rt::Scope scope(ctx);
    for (std::size_t i = 0; i < std::min(kPutsInParallel, puts_.size()); ++i)
        scope.spawn(put_some(scope.context()));
    co_await scope.join();
    if (put_error_) co_return fail(*put_error_);
    co_return ok();
}

rt::Task<void> SlotPlan::put_some(const rt::Context& ctx) {
    while (next_put_ < puts_.size() && !put_error_) {
        const Put put = puts_[next_put_++];
        auto done = co_await permits_.acquire(ctx);
        if (done) {
            done = co_await put_one(ctx, *put.plan, *put.region);
            permits_.release();
        }
        if (!done) put_error_ = std::move(done).error();
    }
}

rt::Task<Result<void>> SlotPlan::put_one(const rt::Context& ctx, const SharePlan& plan,
                                         const RegionPlan& region) {
    ByteBuffer bytes(kBlobHeaderBytes + static_cast<std::size_t>(region.range.size));
    CO_TRY(
        co_await assemble(ctx, plan, region.range, MutByteView(bytes).subspan(kBlobHeaderBytes)));
    BlobHeader header;
    header.kind = ShareKind::mutable_;
    header.grid = call_.key.grid;
    header.index = call_.key.index;
    header.share = plan.number;
    header.name = region.blob.key().name();
    header.version = plan.version;
    header.share_length = plan.length;
    header.data = region.range;
    header.made_us = core_.now_us();
    const bool was_large = plan.old && plan.old->row.place == Place::extents;
    header.base_version = was_large ? plan.old->row.version : 0;
    if (core_.options.planted_bugs.base_not_written) header.base_version = 0;
    header.blobs_in_version = static_cast<std::uint32_t>(plan.regions.size());
    header.record_bytes = static_cast<std::uint32_t>(record_.size());
    header.sealed_enabler = (slot_ ? *slot_ : call_.enabler).enabler_sealed;
    close_blob(header, bytes, record_);
    auto done = co_await core_.blobs.put(ctx, region.blob.key(), bytes);
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    co_return ok();
}

ByteBuffer SlotPlan::commit_record() const {
    std::vector<CommitEntry> entries;
    for (const SharePlan& plan : plans_) {
        if (plan.outcome == SharePlan::Outcome::unchanged) continue;
        const bool deleted = plan.outcome == SharePlan::Outcome::deleted;
        entries.push_back({plan.number, plan.version, deleted ? CommitEntry::kDeleted : plan.length,
                           static_cast<std::uint32_t>(plan.regions.size())});
    }
    return entries.size() > 1 ? write_commit_record(entries) : ByteBuffer();
}

}  // namespace s4::storage
