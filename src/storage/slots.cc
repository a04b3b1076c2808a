#include "storage/slots.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/metrics.h"
#include "crypto/hash.h"
#include "storage/slot_plan.h"
#include "storage/staging.h"

namespace s4::storage {
namespace {

Result<void> check_share(const ShareTestWrite& share, std::uint64_t staged) {
    if (share.tests.size() > kTestVectorsPerShareMax)
        return fail(ErrorKind::too_large, "storage.too_many_vectors",
                    fmt::format("at most {} test vectors a share", kTestVectorsPerShareMax));
    for (const WriteVector& write : share.writes) {
        CHECK(write.data.offset <= staged && write.data.size <= staged - write.data.offset,
              "write vectors lie in the staging area");
        if (write.offset > kMutableShareBytesMax ||
            write.data.size > kMutableShareBytesMax - write.offset)
            return fail(ErrorKind::too_large, "storage.share_too_large",
                        fmt::format("a mutable share has at most {} bytes", kMutableShareBytesMax));
    }
    return ok();
}

Result<void> check_request(const TestWriteRequest& request) {
    TRY(check_secrets(request.secrets));
    if (request.write_enabler.empty() || request.write_enabler.size() > kWriteEnablerBytesMax)
        return fail(ErrorKind::invalid, "storage.invalid_secret",
                    fmt::format("a write enabler has 1 to {} bytes", kWriteEnablerBytesMax));
    if (request.shares.size() > kSharesPerCallMax)
        return fail(ErrorKind::too_large, "storage.too_many_shares",
                    fmt::format("at most {} shares are written at a time", kSharesPerCallMax));
    if (!request.shares.empty() && request.shares.rbegin()->first > kShareNumberMax)
        return fail(ErrorKind::invalid, "storage.invalid_share_number",
                    fmt::format("share numbers go up to {}", kShareNumberMax));
    if (request.reads.size() > kReadVectorsMax)
        return fail(ErrorKind::too_large, "storage.too_many_vectors",
                    fmt::format("at most {} read vectors", kReadVectorsMax));
    const std::uint64_t staged = request.staging ? request.staging->size() : 0;
    std::size_t writes = 0;
    std::size_t specimens = 0;
    for (const auto& [number, share] : request.shares) {
        TRY(check_share(share, staged));
        writes += share.writes.size();
        for (const TestVector& test : share.tests) specimens += test.specimen.size();
    }
    if (writes > kWriteVectorsPerCallMax)
        return fail(ErrorKind::too_large, "storage.too_many_vectors",
                    fmt::format("at most {} write vectors", kWriteVectorsPerCallMax));
    if (specimens > kSpecimenBytesPerCallMax)
        return fail(ErrorKind::too_large, "storage.too_many_bytes",
                    fmt::format("at most {} bytes are compared", kSpecimenBytesPerCallMax));
    return ok();
}

std::optional<ByteView> staged_in_memory(const TestWriteRequest& request) {
    if (!request.staging) return ByteView();
    return static_cast<const MemoryThenFile&>(*request.staging).in_memory();
}

bool passes(const std::vector<TestVector>& tests, ByteView data) {
    return std::all_of(tests.begin(), tests.end(), [&](const TestVector& test) {
        const ByteRange range = clip({test.offset, test.size}, data.size());
        return equal(data.subspan(static_cast<std::size_t>(range.offset),
                                  static_cast<std::size_t>(range.size)),
                     test.specimen);
    });
}

ByteBuffer apply(ByteBuffer data, const ShareTestWrite& write, ByteView staged) {
    const std::uint64_t length = length_after(data.size(), write);
    for (const WriteVector& vector : write.writes) {
        const ByteView bytes = staged.subspan(static_cast<std::size_t>(vector.data.offset),
                                              static_cast<std::size_t>(vector.data.size));
        const std::size_t end = static_cast<std::size_t>(vector.offset) + bytes.size();
        if (end > data.size()) data.resize(end);
        std::copy(bytes.begin(), bytes.end(),
                  data.begin() + static_cast<std::ptrdiff_t>(vector.offset));
    }
    data.resize(static_cast<std::size_t>(length));
    return data;
}

// write_small's closure: decides and writes in one savepoint. It holds no more than a slot's small
// shares; what it returns is told on the reactor.
class SmallWrite {
  public:
    struct Outcome {
        bool needs_extents = false;
        bool success = false;
        std::vector<MutableShare> before;  // with bytes when the call reads
        std::optional<UsageRow> used;
    };

    SmallWrite(const SlotCall& call, sql::Transaction& tx, std::uint64_t small_max,
               std::uint64_t reserved, std::uint64_t now_us)
        : call_(call), tx_(tx), small_max_(small_max), reserved_(reserved), now_us_(now_us) {}

    Result<Outcome> run() {
        rows_ = TRY(tables::load_index(tx_, call_.key));
        slot_ = rows_.empty() ? std::nullopt : TRY(tables::load_slot(tx_, call_.key));
        TRY(check_slot(call_, rows_, slot_));
        Outcome out;
        out.needs_extents = needs_extents();
        if (out.needs_extents) return out;
        TRY(load());
        for (const ShareRow& row : rows_)
            out.before.push_back(reads_all() ? shares_.at(row.share) : MutableShare{row, {}, {}});
        for (const auto& [number, write] : call_.request.shares)
            if (!passes(write.tests, data_of(number))) return out;
        out.success = true;
        for (const auto& [number, write] : call_.request.shares) TRY(write_share(number, write));
        TRY(settle_slot());
        if (shares_change_ != 0 || bytes_change_ != 0) {
            out.used =
                TRY(tables::change_usage(tx_, call_.key.grid, shares_change_, bytes_change_));
            const std::int64_t growth =
                bytes_change_ + shares_change_ * static_cast<std::int64_t>(kShareOverheadBytes);
            TRY(check_growth(call_, *out.used, reserved_, growth));
        }
        return out;
    }

  private:
    bool reads_all() const { return !call_.request.reads.empty(); }

    bool needs_extents() const {
        for (const ShareRow& row : rows_)
            if (row.place == Place::extents &&
                (reads_all() || call_.request.shares.contains(row.share)))
                return true;
        for (const auto& [number, write] : call_.request.shares) {
            const ShareRow* row = find_share(rows_, number);
            if (length_after(row ? row->length : 0, write) > small_max_) return true;
            // Written far out and cut off again: nothing to hold in memory for it.
            for (const WriteVector& vector : write.writes)
                if (vector.offset + vector.data.size > small_max_) return true;
        }
        return !staged_in_memory(call_.request);
    }

    Result<void> load() {
        for (const ShareRow& row : rows_)
            if (reads_all() || call_.request.shares.contains(row.share))
                shares_.emplace(row.share, TRY(load_mutable(tx_, call_.key, row, kWholeShare)));
        return ok();
    }

    ByteView data_of(ShareNumber number) const {
        const auto at = shares_.find(number);
        return at == shares_.end() ? ByteView() : ByteView(at->second.data);
    }

    Result<void> write_share(ShareNumber number, const ShareTestWrite& write) {
        const auto at = shares_.find(number);
        MutableShare* old = at == shares_.end() ? nullptr : &at->second;
        const UnixSeconds now = static_cast<UnixSeconds>(now_us_ / 1'000'000);
        if (deletes(write)) {
            if (!old) return ok();
            bytes_change_ -= static_cast<std::int64_t>(old->row.length);
            --shares_change_;
            return tables::delete_share(tx_, call_.key, old->row, now);
        }
        ByteBuffer data =
            apply(old ? old->data : ByteBuffer(), write, *staged_in_memory(call_.request));
        ShareRow row = old ? old->row : ShareRow{.share = number, .kind = ShareKind::mutable_};
        row.version = std::max(row.version + 1, now_us_);
        bytes_change_ +=
            static_cast<std::int64_t>(data.size()) - static_cast<std::int64_t>(row.length);
        row.length = data.size();
        if (!old) {
            ++shares_change_;
            row.small_id = TRY(tables::insert_small(tx_, data));
            TRY(tables::insert_share(tx_, call_.key, row, now));
        } else if (!write.writes.empty() || write.new_length) {
            TRY(tables::update_small(tx_, row.small_id, data));
            TRY(tables::update_share(tx_, call_.key, row, now));
        }
        return tables::put_lease(tx_, call_.key, number, call_.lease, lease_rule(call_));
    }

    // The slot's row comes with the first share and goes with the last.
    Result<void> settle_slot() {
        const std::int64_t left = static_cast<std::int64_t>(rows_.size()) + shares_change_;
        if (left > static_cast<std::int64_t>(kSharesPerIndexMax))
            return fail(ErrorKind::too_large, "storage.too_many_shares",
                        fmt::format("a slot has at most {} shares", kSharesPerIndexMax));
        if (left > 0 && !slot_) return tables::insert_slot(tx_, call_.key, call_.enabler);
        if (left == 0 && slot_) return tables::delete_slot(tx_, call_.key);
        return ok();
    }

    const SlotCall& call_;
    sql::Transaction& tx_;
    std::uint64_t small_max_;
    std::uint64_t reserved_;
    std::uint64_t now_us_;
    IndexRows rows_;
    std::optional<tables::SlotRow> slot_;
    std::map<ShareNumber, MutableShare> shares_;
    std::int64_t shares_change_ = 0;
    std::int64_t bytes_change_ = 0;
};

}  // namespace

bool deletes(const ShareTestWrite& write) {
    return write.new_length == std::uint64_t{0};
}

std::uint64_t length_after(std::uint64_t length, const ShareTestWrite& write) {
    if (deletes(write)) return 0;
    for (const WriteVector& vector : write.writes)
        length = std::max(length, vector.offset + vector.data.size);
    return write.new_length ? std::min(length, *write.new_length) : length;
}

Result<void> check_slot(const SlotCall& call, const IndexRows& rows,
                        const std::optional<tables::SlotRow>& slot) {
    if (!rows.empty() && rows.front().kind != ShareKind::mutable_)
        return fail(ErrorKind::conflict, "storage.wrong_kind", "the index holds immutable shares");
    if (rows.empty()) return ok();
    if (!slot) return fail(ErrorKind::corrupt, "storage.corrupt", "a slot with shares has no row");
    if (!crypto::constant_time_equal(slot->enabler_hash, call.enabler.enabler_hash))
        return fail(ErrorKind::unauthorized, "storage.bad_write_enabler",
                    "the write enabler is not the one that the slot was made with");
    return ok();
}

Result<void> check_growth(const SlotCall& call, const UsageRow& used, std::uint64_t reserved,
                          std::int64_t growth) {
    if (growth <= 0) return ok();
    if (used.used_bytes() + reserved <= call.policy.overdraft_limit_bytes()) return ok();
    return fail(ErrorKind::no_space, "storage.no_space", "the grid's quota is used up");
}

tables::LeaseRule lease_rule(const SlotCall& call) {
    return {tables::NewLeases::add, tables::NewLeases::skip, call.policy.leases_per_share_max};
}

rt::Task<Result<TestWriteAnswer>> Slots::read_test_write(const rt::Context& ctx, GridId grid,
                                                         TestWriteRequest request) {
    const GridPolicy policy = CO_TRY(core_.writable(grid));
    CO_TRY(check_request(request));
    const IndexKey key{grid, request.index};
    SlotCall call{key, policy, request, {}, core_.lease(request.secrets)};
    call.enabler.enabler_hash = core_.enabler_hash(request.write_enabler.reveal());
    call.enabler.enabler_sealed =
        core_.sealer.seal(core_.runtime.random, request.write_enabler, core_.enabler_place(key));
    {
        const auto turn = CO_TRY(co_await core_.turns.take(ctx, key, Turns::Mode::shared));
        auto answer = CO_TRY(co_await write_small(ctx, call));
        if (answer) co_return std::move(*answer);
    }
    const auto turn = CO_TRY(co_await core_.turns.take(ctx, key, Turns::Mode::alone));
    co_return co_await write_large(ctx, call);
}

rt::Task<Result<std::optional<TestWriteAnswer>>> Slots::write_small(const rt::Context& ctx,
                                                                    const SlotCall& call) {
    if (!staged_in_memory(call.request)) co_return std::nullopt;
    const std::uint64_t small_max = core_.options.small_share_bytes_max;
    const std::uint64_t reserved = core_.accounts.reserved_bytes(call.key.grid);
    const std::uint64_t now_us = core_.now_us();
    const IndexCache::Writing writing(core_.indexes, call.key);
    auto done = co_await core_.db.write(ctx, [&](sql::Transaction& tx) {
        return SmallWrite(call, tx, small_max, reserved, now_us).run();
    });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    if (done->needs_extents) co_return std::nullopt;
    if (done->used) core_.accounts.learn(call.key.grid, *done->used);
    TestWriteAnswer answer;
    answer.success = done->success;
    const std::vector<ByteRange>& reads = call.request.reads;
    for (MutableShare& share : done->before) {
        if (reads.empty())
            answer.before.push_back({share.row.share, {}});
        else
            answer.before.push_back(
                extract(make_mutable_reader(core_, call.key, std::move(share)), reads));
    }
    co_return answer;
}

rt::Task<Result<TestWriteAnswer>> Slots::write_large(const rt::Context& ctx, const SlotCall& call) {
    SlotPlan plan(core_, call, extent_permits_);
    co_return co_await plan.run(ctx);
}

}  // namespace s4::storage
