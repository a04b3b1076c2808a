// Keyring, rows and directory together, on a real database in a folder of its own.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/scratch_folder_test.h"
#include "crypto/seeded_random.h"
#include "rt/asio/backend.h"
#include "sql/database.h"
#include "tenants/directory.h"

namespace s4::tenants {
namespace {

constexpr UnixSeconds kNow = 1795000000;

class TenantsTest : public testing::Test {
  protected:
    TenantsTest() { open(); }
    ~TenantsTest() override {
        directory_.reset();
        database_.reset();
    }

    // Also what a restart does: everything in memory is gone.
    void open() {
        directory_.reset();
        database_.reset();
        sql::Options options;
        options.path = folder_.file("db");
        auto opened = sql::Database::open(backend_.runtime(), options, migrations());
        ASSERT_TRUE(opened) << opened.error().to_string();
        database_ = std::move(*opened);
        directory_ = run(Directory::create(ctx_, *database_, keyring_, kIdleGridsMax)).value();
    }

    template <typename T>
    T run(rt::Task<T> task) {
        std::optional<T> out;
        backend_.run(keep(std::move(task), out));
        return std::move(*out);
    }
    template <typename T>
    static rt::Task<void> keep(rt::Task<T> task, std::optional<T>& out) {
        out.emplace(co_await std::move(task));
    }

    template <typename Work>
    auto write(Work work) {
        return run(database_->write(ctx_, std::move(work)));
    }
    template <typename Work>
    auto read(Work work) {
        return run(database_->read(ctx_, std::move(work)));
    }

    GridId add_grid(const Policy& policy = {}) {
        const NewGrid made = keyring_.new_grid(random_, kNow, policy);
        return write([&](sql::Transaction& tx) { return insert_grid(tx, made); }).value();
    }
    Result<void> set_policy(GridId grid, const Policy& policy) {
        const auto done =
            write([&](sql::Transaction& tx) { return update_policy(tx, grid, policy); });
        if (done) return run(directory_->catch_up(ctx_));
        return done;
    }
    Result<GridPtr> by_id(GridId grid) { return run(directory_->by_id(ctx_, grid)); }
    Result<FoundTub> by_tub_id(const std::string& id) {
        return run(directory_->by_tub_id(ctx_, id));
    }
    Result<GridPtr> by_swissnum(const Secret& swissnum) {
        return run(directory_->by_storage_swissnum(ctx_, swissnum));
    }

    ScratchFolder folder_;
    rt::asio::Backend backend_{2};
    rt::Context ctx_;
    crypto::SeededRandom random_{7};
    crypto::StaticMasterKey master_ = crypto::StaticMasterKey::generate(random_);
    Keyring keyring_ = Keyring::create(master_).value();
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<Directory> directory_;
};

TEST_F(TenantsTest, AGridsIdentitiesSurviveARestart) {
    const GridId id = add_grid();
    const GridPtr before = by_id(id).value();
    const Secret swissnum = keyring_.swissnum(before->storage).value();
    const auto tls = keyring_.tls_identity(before->introducer).value();
    open();
    const GridPtr after = by_id(id).value();
    EXPECT_EQ(after->introducer.tub_id, before->introducer.tub_id);
    EXPECT_EQ(after->storage.tub_id, before->storage.tub_id);
    EXPECT_EQ(after->permutation_seed, before->permutation_seed);
    EXPECT_EQ(after->server_key, before->server_key);
    EXPECT_EQ(after->created, kNow);
    EXPECT_EQ(after->policy, before->policy);
    EXPECT_EQ(keyring_.swissnum(after->storage).value(), swissnum);
    EXPECT_EQ(keyring_.tls_identity(after->introducer)->key.p256_scalar(), tls.key.p256_scalar());
    EXPECT_EQ(keyring_.server_key(*after)->public_key(), before->server_key);
}

TEST_F(TenantsTest, NumbersOfLostGridsAreNotGivenAgain) {
    const auto skip = [&](std::int64_t last) {
        return write([&](sql::Transaction& tx) { return skip_numbers(tx, GridId{last}); });
    };
    ASSERT_TRUE(skip(17).has_value());
    EXPECT_EQ(add_grid(), GridId{18});
    ASSERT_TRUE(skip(3).has_value());
    EXPECT_EQ(add_grid(), GridId{19});
    ASSERT_TRUE(skip(30).has_value());
    open();
    EXPECT_EQ(add_grid(), GridId{31});
}

TEST_F(TenantsTest, IdentitiesHaveTheFormsThatClientsExpect) {
    const GridPtr grid = by_id(add_grid()).value();
    for (const TubRole role : {TubRole::introducer, TubRole::storage}) {
        const Tub& tub = grid->tub(role);
        EXPECT_EQ(tub.role, role);
        EXPECT_EQ(tub.tub_id.size(), 32u);
        EXPECT_EQ(keyring_.tls_identity(tub)->certificate.tub_id(), tub.tub_id);
        EXPECT_EQ(keyring_.swissnum(tub)->size(), 32u);
    }
    EXPECT_NE(grid->introducer.tub_id, grid->storage.tub_id);
    EXPECT_EQ(grid->permutation_seed.size(), 84u);
}

TEST_F(TenantsTest, AnotherNodesIdentityGoesOnAsAGrid) {
    std::ifstream pem(S4_SOURCE_DIR "/src/crypto/testdata/rsa_node.pem");
    const std::string text{std::istreambuf_iterator<char>(pem), {}};
    const auto rsa = crypto::TlsIdentity::from_pem(Secret(as_bytes(text))).value();
    const auto p256 = crypto::TlsIdentity::generate(random_, kNow);
    const auto key = crypto::Ed25519PrivateKey::generate(random_);
    const Secret name(as_bytes("ip35fzqb5cysr7bb5kcqjpqhpdb7ipwy"));
    const Secret other(as_bytes("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    const NewGrid made =
        keyring_.adopted_grid(random_, kNow, {}, {{rsa, name}, {{p256, other}}, key, "seed"});
    const GridId id = write([&](sql::Transaction& tx) { return insert_grid(tx, made); }).value();
    open();
    const GridPtr grid = by_swissnum(name).value();
    EXPECT_EQ(grid->id, id);
    EXPECT_EQ(grid->permutation_seed, "seed");
    EXPECT_EQ(keyring_.server_key(*grid)->public_key(), key.public_key());
    EXPECT_EQ(grid->storage.tub_id, rsa.certificate.tub_id());
    EXPECT_EQ(keyring_.swissnum(grid->storage).value(), name);
    EXPECT_EQ(keyring_.tls_identity(grid->storage)->to_pem(), rsa.to_pem()) << "RSA too";
    EXPECT_EQ(keyring_.tls_identity(grid->introducer)->to_pem(), p256.to_pem());
    EXPECT_EQ(keyring_.swissnum(grid->introducer).value(), other);

    // What it does not bring is new.
    const auto storage = crypto::TlsIdentity::generate(random_, kNow);
    const NewGrid bare = keyring_.adopted_grid(random_, kNow, {}, {{storage, other}, {}, {}, ""});
    EXPECT_EQ(bare.grid.introducer.tub_id.size(), 32u);
    EXPECT_EQ(bare.grid.permutation_seed.size(), 84u);
}

TEST_F(TenantsTest, AGridIsFoundByEitherTubId) {
    const GridId id = add_grid();
    add_grid();
    const GridPtr grid = by_id(id).value();
    open();
    for (const TubRole role : {TubRole::introducer, TubRole::storage}) {
        for (int again = 0; again < 2; ++again) {  // from the database, then from memory
            const FoundTub found = by_tub_id(grid->tub(role).tub_id).value();
            EXPECT_EQ(found.grid->id, id);
            EXPECT_EQ(found.role, role);
        }
    }
    EXPECT_EQ(by_tub_id(std::string(32, 'a')).error().code(), "tenants.no_such_grid");
}

TEST_F(TenantsTest, OnlyTheStorageSwissnumAuthorisesOverGbs) {
    const GridId id = add_grid();
    const GridPtr grid = by_id(id).value();
    const Secret storage = keyring_.swissnum(grid->storage).value();
    const Secret introducer = keyring_.swissnum(grid->introducer).value();
    open();
    EXPECT_EQ(by_swissnum(storage).value()->id, id);
    EXPECT_EQ(by_swissnum(storage).value()->id, id);
    EXPECT_EQ(by_swissnum(introducer).error().code(), "tenants.no_such_grid");
    EXPECT_EQ(by_swissnum(Secret()).error().code(), "tenants.no_such_grid");
    EXPECT_EQ(by_swissnum(Secret(storage.reveal().first(31))).error().code(),
              "tenants.no_such_grid");
    EXPECT_TRUE(directory_->is_swissnum(grid->introducer, introducer.reveal()).value());
    EXPECT_FALSE(directory_->is_swissnum(grid->introducer, storage.reveal()).value());
}

TEST_F(TenantsTest, AGridUnderAnotherMasterKeyDoesNotOpen) {
    const GridPtr grid = by_id(add_grid()).value();
    const auto other_master = crypto::StaticMasterKey::generate(random_);
    const Keyring other = Keyring::create(other_master).value();
    EXPECT_EQ(other.swissnum(grid->storage).error().code(), "seal.unknown_key");
    EXPECT_EQ(other.tls_identity(grid->storage).error().code(), "seal.unknown_key");
}

TEST_F(TenantsTest, ASealedSecretOfAnotherTubDoesNotOpen) {
    const GridPtr a = by_id(add_grid()).value();
    const GridPtr b = by_id(add_grid()).value();
    Tub mixed = a->storage;
    mixed.sealed_swissnum = b->storage.sealed_swissnum;
    mixed.sealed_key = b->storage.sealed_key;
    EXPECT_EQ(keyring_.swissnum(mixed).error().code(), "seal.forged");
    EXPECT_EQ(keyring_.tls_identity(mixed).error().code(), "seal.forged");
}

TEST_F(TenantsTest, APolicyChangeReachesMemoryAndWatchersButNotSnapshots) {
    const GridId id = add_grid();
    const GridPtr before = by_id(id).value();
    std::vector<GridPtr> told;
    directory_->watch([&](const GridPtr& grid) { told.push_back(grid); });
    const Policy changed{
        .state = GridState::read_only, .announced = Transports::foolscap_only, .quota_bytes = 10};
    ASSERT_TRUE(set_policy(id, changed));
    EXPECT_EQ(before->policy, Policy());
    EXPECT_EQ(directory_->cached(id)->policy, changed);
    EXPECT_EQ(by_id(id).value()->policy, changed);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0]->policy, changed);
    open();
    EXPECT_EQ(by_id(id).value()->policy, changed);
}

TEST_F(TenantsTest, AClosedGridIsNoLongerReachedAndStaysClosed) {
    const GridId id = add_grid();
    const GridPtr grid = by_id(id).value();
    const Secret swissnum = keyring_.swissnum(grid->storage).value();
    ASSERT_TRUE(set_policy(id, {.state = GridState::closed}));
    EXPECT_EQ(by_tub_id(grid->storage.tub_id).error().code(), "tenants.no_such_grid");
    EXPECT_EQ(by_swissnum(swissnum).error().code(), "tenants.no_such_grid");
    EXPECT_EQ(by_id(id).value()->policy.state, GridState::closed);
    EXPECT_EQ(set_policy(id, {}).error().code(), "tenants.invalid_policy");
}

TEST_F(TenantsTest, PoliciesOutOfBoundsAreRefused) {
    const GridId id = add_grid({.quota_bytes = kQuotaBytesMax, .connections_max = kConnectionsMax});
    EXPECT_EQ(set_policy(id, {.quota_bytes = kQuotaBytesMax + 1}).error().code(),
              "tenants.invalid_policy");
    EXPECT_EQ(set_policy(id, {.connections_max = kConnectionsMax + 1}).error().code(),
              "tenants.invalid_policy");
    EXPECT_EQ(set_policy(id, {.connections_max = 0}).error().code(), "tenants.invalid_policy");
    EXPECT_EQ(set_policy(id, {.subscribers_max = kPerGridCountMax + 1}).error().code(),
              "tenants.invalid_policy");
    EXPECT_EQ(set_policy(id, {.requests_max = 0}).error().code(), "tenants.invalid_policy");
    EXPECT_EQ(set_policy(id, {.bytes_per_s = kBytesPerSecondMin - 1}).error().code(),
              "tenants.invalid_policy");
    EXPECT_TRUE(set_policy(id, {.bytes_per_s = kBytesPerSecondMin}));
    EXPECT_EQ(set_policy(id, {.bytes_per_s = kBytesPerSecondMax + 1}).error().code(),
              "tenants.invalid_policy");
    EXPECT_EQ(set_policy(GridId{999}, {}).error().code(), "tenants.no_such_grid");
}

TEST_F(TenantsTest, APolicyIsKeptAsItWasSet) {
    const Policy policy{.state = GridState::read_only,
                        .announced = Transports::foolscap_only,
                        .quota_bytes = 11,
                        .connections_max = 12,
                        .unfinished_uploads_max = 13,
                        .leases_per_share_max = 14,
                        .advisories_max = 15,
                        .announcements_max = 16,
                        .subscribers_max = 17,
                        .requests_max = 18,
                        .bytes_per_s = kBytesPerSecondMax};
    const GridId made_so = add_grid(policy);
    EXPECT_EQ(by_id(made_so).value()->policy, policy);
    const GridId set_so = add_grid();
    ASSERT_TRUE(set_policy(set_so, policy));
    EXPECT_EQ(by_id(set_so).value()->policy, policy);
    EXPECT_EQ(
        read([](sql::Reader& db) { return list_grids(db, GridId{}, 9); }).value().back().policy,
        policy);
}

TEST_F(TenantsTest, TheChangeFeedGivesEachGridOnceInOrder) {
    const GridId a = add_grid(), b = add_grid();
    const auto since = [&](std::int64_t after) {
        std::vector<GridId> out;
        for (const Change& change :
             read([&](sql::Reader& db) { return changes_since(db, after, 10); }).value())
            out.push_back(change.grid);
        return out;
    };
    const std::int64_t start = read([](sql::Reader& db) { return last_change(db); }).value();
    EXPECT_EQ(since(0), (std::vector{a, b}));
    EXPECT_EQ(since(start), std::vector<GridId>());
    ASSERT_TRUE(set_policy(a, {.quota_bytes = 1}));
    ASSERT_TRUE(set_policy(a, {.quota_bytes = 2}));
    EXPECT_EQ(since(start), std::vector{a});
    EXPECT_EQ(since(0), (std::vector{b, a}));
}

TEST_F(TenantsTest, AFailedTransactionLeavesNoGrid) {
    const NewGrid made = keyring_.new_grid(random_, kNow, {});
    const auto result = write([&](sql::Transaction& tx) -> Result<GridId> {
        TRY(insert_grid(tx, made));
        return fail(ErrorKind::conflict, "test.later_step", "a later step failed");
    });
    EXPECT_EQ(result.error().code(), "test.later_step");
    EXPECT_EQ(by_tub_id(made.grid.storage.tub_id).error().code(), "tenants.no_such_grid");
    EXPECT_TRUE(
        write([&](sql::Transaction& tx) { return insert_grid(tx, made); }));  // may be run again
}

TEST_F(TenantsTest, GridsAreListedInPages) {
    for (int i = 0; i < 5; ++i) add_grid();
    std::vector<GridId> seen;
    for (GridId after;;) {
        const auto page = read([&](sql::Reader& db) { return list_grids(db, after, 2); }).value();
        if (page.empty()) break;
        EXPECT_LE(page.size(), 2u);
        for (const GridSummary& grid : page) seen.push_back(grid.id);
        after = seen.back();
    }
    EXPECT_EQ(seen.size(), 5u);
    EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST_F(TenantsTest, MemoryHoldsTheLastUsedGridsAndAllThatAreInUse) {
    directory_ = run(Directory::create(ctx_, *database_, keyring_, 3)).value();
    const GridId held_id = add_grid();
    GridPtr held = by_id(held_id).value();
    ASSERT_TRUE(set_policy(held_id, {.quota_bytes = 1}));  // an old snapshot in use counts as well
    std::vector<GridId> others;
    for (int i = 0; i < 6; ++i) {
        others.push_back(add_grid());
        ASSERT_TRUE(by_id(others.back()));
    }
    EXPECT_EQ(directory_->cached_count(), 3u);
    EXPECT_TRUE(directory_->cached(held_id));
    EXPECT_FALSE(directory_->cached(others[0]));
    EXPECT_TRUE(directory_->cached(others[5]));
    held.reset();
    ASSERT_TRUE(by_id(others[0]));
    ASSERT_TRUE(by_id(others[1]));
    ASSERT_TRUE(by_id(others[2]));
    EXPECT_FALSE(directory_->cached(held_id));
    EXPECT_EQ(by_id(held_id).value()->policy.quota_bytes, 1u);
}

TEST_F(TenantsTest, TheServicesIdentityIsMadeOnce) {
    const auto load = [&] {
        return run(load_service_identities(ctx_, *database_, keyring_, random_, kNow)).value();
    };
    const auto first = load();
    ASSERT_EQ(first.size(), 1u);
    EXPECT_EQ(first[0].generation, 1);
    EXPECT_EQ(first[0].port, 0);
    open();
    EXPECT_EQ(load()[0].tls.certificate.spki_hash(), first[0].tls.certificate.spki_hash());
    const auto second = keyring_.new_service_identity(random_, 2, 4443, kNow);
    ASSERT_TRUE(write([&](sql::Transaction& tx) { return insert_service_identity(tx, second); }));
    const auto both = load();
    ASSERT_EQ(both.size(), 2u);
    EXPECT_EQ(both[0].generation, 2);
    EXPECT_EQ(both[0].port, 4443);
    EXPECT_EQ(write([&](sql::Transaction& tx) { return insert_service_identity(tx, second); })
                  .error()
                  .kind(),
              ErrorKind::conflict);
}

}  // namespace
}  // namespace s4::tenants
