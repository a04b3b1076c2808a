// GateTest: the front door with everything behind it (real sockets, TLS, directory, engine,
// database and blobs), and customers who speak to it with the protocol's own client machine.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/scratch_folder_test.h"
#include "blob/directory_store.h"
#include "crypto/seeded_random.h"
#include "gate/front_door.h"
#include "gate/grid_policies.h"
#include "proto/gbs/client.h"
#include "rt/asio/backend.h"
#include "sql/database.h"
#include "storage/schema.h"
#include "tenants/limits.h"
#include "wire/http_client.h"

namespace s4::gate {

namespace gbs = proto::gbs;
using gbs::Route;

inline constexpr UnixSeconds kNow = 1795000000;

inline gbs::StorageIndex index_of(std::uint8_t n) {
    gbs::StorageIndex index{};
    index.fill(n);
    return index;
}

inline ByteBuffer pattern(std::size_t size) {
    ByteBuffer out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 131 + i / 251);
    return out;
}

inline ByteBuffer text(std::string_view t) {
    return to_buffer(as_bytes(t));
}

// Takes note of what the front door hands over.
class NotingDoor final : public FoolscapDoor {
  public:
    std::string opening;
    rt::Task<void> serve(const rt::Context&, std::unique_ptr<rt::Stream>,
                         ByteBuffer already_read) override {
        opening = to_string(already_read);
        co_return;
    }
    rt::Task<void> drain(const rt::Context&) override { co_return; }
};

inline std::vector<sql::Migration> all_migrations() {
    std::vector<sql::Migration> all;
    for (const auto& list : {tenants::migrations(), storage::migrations()})
        all.insert(all.end(), list.begin(), list.end());
    return all;
}

class GateTest : public testing::Test {
  protected:
    GateTest() {
        sql::Options options;
        options.path = folder_.file("db");
        database_ = sql::Database::open(rt_, options, all_migrations()).value();
        directory_ =
            run(tenants::Directory::create(ctx_, *database_, keyring_, tenants::kIdleGridsMax))
                .value();
        policies_.follow(*directory_);
        blobs_ =
            blob::DirectoryStore::open(rt_, {.path = folder_.file("store"), .planted_bugs = {}})
                .value();
        engine_ = run(storage::Engine::create(ctx_, rt_, *database_, *blobs_, master_, policies_,
                                              storage::EngineOptions{}))
                      .value();
        handler_.emplace(*engine_, *directory_, seats_, turnstile_, "s4/test");
        door_.emplace(rt_.reactor, tls_, service_, *handler_, foolscap_);
        listener_ = std::move(*rt_.network.listen({"127.0.0.1", 0}));
        scope_.spawn(door_->run(scope_.context(), *listener_));
    }

    ~GateTest() override {
        clients_.clear();
        listener_->close();
        run(door_->drain(ctx_.until(rt_.reactor.now() + std::chrono::seconds(5))));
        scope_.cancel();
        run(joined(scope_));
        EXPECT_EQ(seats_.grids(), 0);
        EXPECT_EQ(turnstile_.grids(), 0);
        EXPECT_EQ(door_->strangers(), 0);
        run(engine_->close());
    }

    static rt::Task<void> joined(rt::Scope& scope) { co_await scope.join(); }
    template <typename T>
    static rt::Task<void> keep(rt::Task<T> task, std::optional<T>& out) {
        out.emplace(co_await std::move(task));
    }
    template <typename T>
    T run(rt::Task<T> task) {
        std::optional<T> out;
        backend_.run(keep(std::move(task), out));
        return std::move(*out);
    }
    void run(rt::Task<void> task) { backend_.run(std::move(task)); }

    // A grid, and the client that has its NURL.
    struct Customer {
        GridId grid;
        gbs::Client client;
        std::size_t connection;  // of clients_
    };

    Customer customer(const tenants::Policy& policy = {}) {
        const tenants::NewGrid made = keyring_.new_grid(random_, kNow, policy);
        const GridId grid = run(database_->write(ctx_, [&](sql::Transaction& tx) {
                                return tenants::insert_grid(tx, made);
                            })).value();
        EXPECT_TRUE(run(directory_->catch_up(ctx_)));
        const Secret swissnum = keyring_.swissnum(made.grid.storage).value();
        return {grid, gbs::Client(swissnum), add_connection()};
    }
    void set_policy(const Customer& of, const tenants::Policy& policy) {
        EXPECT_TRUE(run(database_->write(ctx_, [&](sql::Transaction& tx) {
            return tenants::update_policy(tx, of.grid, policy);
        })));
        EXPECT_TRUE(run(directory_->catch_up(ctx_)));
    }
    std::size_t add_connection() {
        clients_.push_back(std::make_unique<wire::HttpClient>(
            rt_.reactor, rt_.network, tls_,
            wire::HttpOrigin{.endpoint = listener_->local(),
                             .tls = proto::tls::PeerPolicy::pinned_key(
                                 service_.certificate.spki_hash_bytes())}));
        return clients_.size() - 1;
    }

    wire::HttpAnswer send(std::size_t connection, gbs::ClientRequest request) {
        auto answer = run(clients_[connection]->call(ctx_, {.method = request.method,
                                                            .target = request.target,
                                                            .fields = std::move(request.fields),
                                                            .body = std::move(request.body)}));
        EXPECT_TRUE(answer) << answer.error().to_string();
        return answer ? std::move(*answer) : wire::HttpAnswer{};
    }
    wire::HttpAnswer send(const Customer& who, gbs::ClientRequest request) {
        return send(who.connection, std::move(request));
    }
    int status(const Customer& who, gbs::ClientRequest request) {
        return send(who, std::move(request)).head.status;
    }

    const gbs::LeaseSecrets lease_{Secret(ByteBuffer(32, 'r')), Secret(ByteBuffer(32, 'c'))};
    const gbs::LeaseSecrets lease2_{Secret(ByteBuffer(32, 'R')), Secret(ByteBuffer(32, 'C'))};
    const Secret upload_{ByteBuffer(20, 'u')};
    const Secret other_upload_{ByteBuffer(20, 'z')};
    const Secret enabler_{ByteBuffer(32, 'w')};

    ScratchFolder folder_;
    rt::asio::Backend backend_{2};
    rt::Runtime& rt_ = backend_.runtime();
    rt::Context ctx_;
    crypto::SeededRandom random_{7};
    crypto::StaticMasterKey master_ = crypto::StaticMasterKey::generate(random_);
    tenants::Keyring keyring_ = tenants::Keyring::create(master_).value();
    crypto::TlsIdentity service_ = crypto::TlsIdentity::generate(random_, kNow);
    proto::tls::Library tls_ = *proto::tls::Library::create();
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<tenants::Directory> directory_;
    GridPolicies policies_;
    std::unique_ptr<blob::DirectoryStore> blobs_;
    std::unique_ptr<storage::Engine> engine_;
    Seats seats_;
    Turnstile turnstile_{rt_.reactor, [this](GridId grid) { return policies_.allowance(grid); }};
    NotingDoor foolscap_;
    std::optional<GbsHandler> handler_;
    std::optional<FrontDoor> door_;
    std::unique_ptr<rt::Listener> listener_;
    rt::Scope scope_{ctx_};
    std::vector<std::unique_ptr<wire::HttpClient>> clients_;
};

template <typename T>
T must(Result<T> result) {
    EXPECT_TRUE(result) << result.error().to_string();
    return result ? std::move(*result) : T{};
}

}  // namespace s4::gate
