// Random calls on the engine and on a model of Tahoe's semantics (protocol reference C.4) that
// keeps everything in maps; every answer must be the same. Small thresholds make shares cross
// between the database and the store all the time. Restarts and power losses fall between the
// calls.

#include "rt/sim/dice.h"
#include "storage/engine_test_fixture.h"

namespace s4::storage {
namespace {

struct ModelShare {
    ByteBuffer data;
    std::set<std::uint8_t> leases;
};

struct ModelUpload {
    std::uint8_t secret = 0;
    std::uint8_t lease = 0;
    ByteBuffer data;
    std::vector<bool> written;
};

// One index; the test has several.
struct ModelIndex {
    ShareKind kind = ShareKind::immutable;
    std::map<ShareNumber, ModelShare> shares;
    std::map<ShareNumber, ModelUpload> uploads;
    std::optional<std::uint8_t> enabler;
};

ByteBuffer slice(const ByteBuffer& data, std::uint64_t offset, std::uint64_t size) {
    if (offset >= data.size()) return {};
    const auto from = data.begin() + static_cast<std::ptrdiff_t>(offset);
    return {from, from + static_cast<std::ptrdiff_t>(std::min(size, data.size() - offset))};
}

class ModelTest : public EngineFixture, public testing::WithParamInterface<int> {
  protected:
    ModelTest() : dice_(static_cast<std::uint64_t>(GetParam()), "storage model") {
        options_.small_share_bytes_max = 300;
    }

    std::uint64_t below(std::uint64_t bound) { return dice_.below(bound); }
    bool chance(double p) { return dice_.chance(p); }

    void step() {
        at_ = static_cast<std::uint8_t>(below(4));
        ModelIndex& index = model_[at_];
        switch (below(12)) {
            case 0:
            case 1:
                return allocate_some(index);
            case 2:
            case 3:
            case 4:
                return write_some(index);
            case 5:
                return abort_some(index);
            case 6:
                return lease_some(index);
            case 7:
            case 8:
            case 9:
            case 10:
                return change_some(index);
            case 11:
                return disturb();
        }
    }

    void allocate_some(ModelIndex& index) {
        const auto secret = static_cast<std::uint8_t>(1 + below(2));
        const auto lease = static_cast<std::uint8_t>(1 + below(3));
        const std::uint64_t size = 1 + below(chance(0.5) ? 300 : 2000);
        std::vector<ShareNumber> asked;
        for (ShareNumber n = 0; n < 4; ++n)
            if (chance(0.5)) asked.push_back(n);
        const auto answer = allocate(index_of(at_), asked, size, upload_secret(secret), lease);
        if (!index.shares.empty() && index.kind == ShareKind::mutable_) {
            ASSERT_TRUE(!answer && answer.error().is("storage.wrong_kind"));
            return;
        }
        std::vector<ShareNumber> have;
        std::vector<ShareNumber> allocated;
        for (auto& [number, share] : index.shares) {
            have.push_back(number);
            share.leases.insert(lease);
        }
        for (const ShareNumber n : asked) {
            if (index.shares.contains(n)) continue;
            const auto upload = index.uploads.find(n);
            if (upload == index.uploads.end()) {
                index.uploads[n] = {secret, lease, ByteBuffer(size), std::vector<bool>(size)};
                allocated.push_back(n);
            } else if (upload->second.secret == secret && upload->second.data.size() == size) {
                allocated.push_back(n);
            }
        }
        ASSERT_TRUE(answer) << answer.error().to_string();
        ASSERT_EQ(answer->already_have, have);
        ASSERT_EQ(answer->allocated, allocated);
    }

    void write_some(ModelIndex& index) {
        if (index.uploads.empty()) return;
        auto at = index.uploads.begin();
        std::advance(at, below(index.uploads.size()));
        ModelUpload& upload = at->second;
        const std::uint64_t offset = chance(0.7) ? 0 : below(upload.data.size());
        const std::uint64_t size =
            chance(0.5) ? upload.data.size() - offset : below(upload.data.size() - offset + 1);
        ByteBuffer data = pattern(size, static_cast<std::uint64_t>(at_ * 10 + at->first));
        // The same place always gets the same bytes, but for a rare mistake.
        data = slice(pattern(upload.data.size(), at_ * 10u + at->first), offset, size);
        if (size > 0 && chance(0.1)) data[below(size)] ^= 1;
        const auto answer =
            write(index_of(at_), at->first, offset, data, upload_secret(upload.secret));
        bool conflict = false;
        for (std::size_t i = 0; i < size; ++i)
            conflict |= upload.written[offset + i] && upload.data[offset + i] != data[i];
        if (conflict) {
            ASSERT_TRUE(!answer && answer.error().is("storage.conflicting_write"));
            return;
        }
        const bool kind_clash = !index.shares.empty() && index.kind == ShareKind::mutable_;
        for (std::size_t i = 0; i < size; ++i) {
            upload.data[offset + i] = data[i];
            upload.written[offset + i] = true;
        }
        const bool complete =
            std::find(upload.written.begin(), upload.written.end(), false) == upload.written.end();
        if (complete && kind_clash) {
            ASSERT_TRUE(!answer && answer.error().is("storage.share_exists"));
            index.uploads.erase(at);
            return;
        }
        ASSERT_TRUE(answer) << answer.error().to_string();
        ASSERT_EQ(answer->complete, complete);
        if (!complete) return;
        index.kind = ShareKind::immutable;
        index.shares[at->first] = {upload.data, {upload.lease}};
        index.uploads.erase(at);
    }

    void abort_some(ModelIndex& index) {
        const auto number = static_cast<ShareNumber>(below(4));
        const auto secret = static_cast<std::uint8_t>(1 + below(2));
        const auto done = run(
            engine_->abort_upload(ctx(), {kGrid, index_of(at_), number}, upload_secret(secret)));
        const auto upload = index.uploads.find(number);
        if (upload != index.uploads.end()) {
            if (upload->second.secret == secret) {
                ASSERT_TRUE(done);
                index.uploads.erase(upload);
            } else {
                ASSERT_TRUE(done.error().is("storage.wrong_upload_secret"));
            }
        } else if (index.shares.contains(number) && index.kind == ShareKind::immutable) {
            ASSERT_TRUE(done.error().is("storage.upload_complete"));
        } else {
            ASSERT_TRUE(done.error().is("storage.no_such_upload"));
        }
    }

    void lease_some(ModelIndex& index) {
        const auto lease = static_cast<std::uint8_t>(1 + below(3));
        ASSERT_EQ(
            run(engine_->add_lease(ctx(), kGrid, index_of(at_), lease_secrets(lease))).value(),
            index.shares.size());
        for (auto& [number, share] : index.shares) share.leases.insert(lease);
    }

    Change random_change(const ModelIndex& index, ShareNumber number) {
        Change out;
        const auto there = index.shares.find(number);
        const ByteBuffer old = there == index.shares.end() ? ByteBuffer() : there->second.data;
        if (chance(0.5)) {
            const std::uint64_t offset = below(old.size() + 5);
            const std::uint64_t size = below(100);
            out.tests.push_back({offset, size, slice(old, offset, size)});
            if (chance(0.1)) out.tests.back().specimen.push_back(1);
        }
        for (std::uint64_t i = below(4); i > 0; --i)
            out.writes.push_back({below(chance(0.8) ? 500 : 3'000'000),
                                  pattern(below(chance(0.8) ? 200 : 1500), below(100))});
        if (chance(0.3)) out.new_length = below(chance(0.7) ? 600 : 2'500'000);
        if (chance(0.1)) out.new_length = 0;
        return out;
    }

    static bool passes(const ModelIndex& index, ShareNumber number, const Change& change) {
        const auto there = index.shares.find(number);
        const ByteBuffer old = there == index.shares.end() ? ByteBuffer() : there->second.data;
        return std::all_of(change.tests.begin(), change.tests.end(), [&](const TestVector& t) {
            return slice(old, t.offset, t.size) == t.specimen;
        });
    }

    static void apply(ModelIndex& index, ShareNumber number, const Change& change,
                      std::uint8_t lease) {
        if (change.new_length == std::uint64_t{0}) {
            index.shares.erase(number);
            return;
        }
        ModelShare& share = index.shares[number];
        for (const Write& w : change.writes) {
            if (w.offset + w.data.size() > share.data.size())
                share.data.resize(w.offset + w.data.size());
            std::copy(w.data.begin(), w.data.end(),
                      share.data.begin() + static_cast<std::ptrdiff_t>(w.offset));
        }
        if (change.new_length && *change.new_length < share.data.size())
            share.data.resize(*change.new_length);
        share.leases.insert(lease);
    }

    void change_some(ModelIndex& index) {
        std::map<ShareNumber, Change> changes;
        for (ShareNumber n = 0; n < 3; ++n)
            if (chance(0.4)) changes[n] = random_change(index, n);
        std::vector<ByteRange> reads;
        for (std::uint64_t i = below(3); i > 0; --i) reads.push_back({below(1000), below(2000)});
        const auto enabler = static_cast<std::uint8_t>(chance(0.95) ? 50 : 51);
        const auto lease = static_cast<std::uint8_t>(1 + below(3));
        const auto answer = change(index_of(at_), changes, reads, enabler, lease);
        if (!index.shares.empty() && index.kind == ShareKind::immutable) {
            ASSERT_TRUE(!answer && answer.error().is("storage.wrong_kind"));
            return;
        }
        if (!index.shares.empty() && index.enabler != enabler) {
            ASSERT_TRUE(!answer && answer.error().is("storage.bad_write_enabler"));
            return;
        }
        ASSERT_TRUE(answer) << answer.error().to_string();
        ASSERT_EQ(answer->before.size(), index.shares.size());
        std::size_t i = 0;
        for (const auto& [number, share] : index.shares) {
            const ShareExtracts& got = answer->before[i++];
            ASSERT_EQ(got.share, number);
            ASSERT_EQ(got.items.size(), reads.size());
            for (std::size_t r = 0; r < reads.size(); ++r)
                ASSERT_EQ(extract_bytes(got.items[r]),
                          slice(share.data, reads[r].offset, reads[r].size));
        }
        const bool pass = std::all_of(changes.begin(), changes.end(), [&](const auto& entry) {
            return passes(index, entry.first, entry.second);
        });
        ASSERT_EQ(answer->success, pass);
        if (!pass) return;
        for (const auto& [number, wanted] : changes) apply(index, number, wanted, lease);
        if (index.shares.empty()) {
            index.enabler.reset();
        } else {
            index.kind = ShareKind::mutable_;
            if (!index.enabler) index.enabler = enabler;
        }
    }

    void disturb() {
        switch (below(4)) {
            case 0:
                restart();
                break;
            case 1:
                power_loss();
                break;
            case 2:
                pass(std::chrono::hours(30));
                break;
            case 3:
                (void)run(engine_->collect_step(ctx()));
                return;
        }
        for (auto& [at, index] : model_) index.uploads.clear();  // restarted, or idle too long
    }

    void check_all() {
        std::uint64_t bytes = 0;
        std::uint64_t shares = 0;
        for (const auto& [at, index] : model_) {
            const StorageIndex name = index_of(at);
            std::vector<ShareNumber> expected;
            for (const auto& [number, share] : index.shares) {
                expected.push_back(number);
                ASSERT_EQ(content(name, number, index.kind).value(), share.data);
                ASSERT_TRUE(run(engine_->verify(ctx(), kGrid, name, number)));
                std::set<std::array<std::uint8_t, 32>> leases;
                for (const std::uint8_t lease : share.leases)
                    leases.insert(crypto::blake2b_256(lease_secrets(lease).renew.reveal()));
                std::set<std::array<std::uint8_t, 32>> found;
                for (const LeaseInfo& l : run(engine_->leases(ctx(), kGrid, name, number)).value())
                    found.insert(l.renew_hash);
                ASSERT_EQ(found, leases);
                bytes += share.data.size();
                ++shares;
            }
            const bool immutable = index.kind == ShareKind::immutable;
            ASSERT_EQ(list(name, index.kind), expected);
            const ShareKind other = immutable ? ShareKind::mutable_ : ShareKind::immutable;
            if (!expected.empty()) ASSERT_EQ(list(name, other).size(), 0u);
        }
        ASSERT_EQ(usage().data_bytes, bytes);
        ASSERT_EQ(usage().shares, shares);
        expect_usage_exact();
    }

    rt::sim::Dice dice_;
    std::map<std::uint8_t, ModelIndex> model_;
    std::uint8_t at_ = 0;
};

TEST_P(ModelTest, AnswersAsTahoeWould) {
    for (int i = 0; i < 150 && !HasFatalFailure(); ++i) {
        SCOPED_TRACE(i);
        step();
        if (i % 10 == 9) check_all();
    }
    power_loss();
    for (auto& [at, index] : model_) index.uploads.clear();
    check_all();
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range(0, 12));

}  // namespace
}  // namespace s4::storage
