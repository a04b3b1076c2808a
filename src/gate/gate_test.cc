// The front door with everything behind it: real sockets, TLS, directory, engine, database and
// blobs, spoken to by the protocol's own client machine. The requests are those of the reference's
// probe (traces/gbsprobe.py), the expected answers Tahoe 1.20's but for the differences in
// README.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>

#include "base/scratch_folder_test.h"
#include "blob/directory_store.h"
#include "codec/base64.h"
#include "crypto/seeded_random.h"
#include "gate/front_door.h"
#include "gate/grid_policies.h"
#include "gate/limits.h"
#include "proto/gbs/client.h"
#include "rt/asio/backend.h"
#include "sql/database.h"
#include "storage/schema.h"
#include "tenants/limits.h"
#include "wire/http_client.h"
#include "wire/tls_stream.h"

namespace s4::gate {
namespace {

namespace gbs = proto::gbs;
using gbs::Route;
using gbs::Span;

constexpr UnixSeconds kNow = 1795000000;

gbs::StorageIndex index_of(std::uint8_t n) {
    gbs::StorageIndex index{};
    index.fill(n);
    return index;
}

ByteBuffer pattern(std::size_t size) {
    ByteBuffer out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 131 + i / 251);
    return out;
}

ByteBuffer text(std::string_view t) {
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

// A peer that has sent its request and takes an answer as fast as it comes; before each write, how
// often another grid had come up.
class Taker final : public rt::Stream {
  public:
    struct Write {
        std::size_t bytes;
        int others_came_up;
    };
    Taker(std::string request, const int& others, std::vector<Write>& writes)
        : request_(std::move(request)), others_(others), writes_(writes) {}

    rt::Task<Result<std::size_t>> read_some(const rt::Context&, MutByteView into) override {
        const std::size_t n = std::min(into.size(), request_.size());
        std::copy_n(request_.begin(), n, into.begin());
        request_.erase(0, n);
        co_return n;
    }
    rt::Task<Result<void>> write(const rt::Context&, std::span<const ByteView> parts) override {
        std::size_t bytes = 0;
        for (const ByteView part : parts) bytes += part.size();
        writes_.push_back({bytes, others_});
        co_return ok();
    }
    rt::Task<Result<void>> shutdown_write(const rt::Context&) override { co_return ok(); }
    void abort() override {}
    rt::Endpoint peer() const override { return {"127.0.0.1", 1}; }

  private:
    std::string request_;
    const int& others_;
    std::vector<Write>& writes_;
};

std::vector<sql::Migration> all_migrations() {
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

    rt::Task<void> read_one(std::size_t connection, gbs::ClientRequest request,
                            std::optional<wire::HttpAnswer>& out) {
        auto answer = co_await clients_[connection]->call(ctx_, {.method = request.method,
                                                                 .target = request.target,
                                                                 .fields = request.fields,
                                                                 .body = {}});
        if (answer) out = *std::move(answer);
    }
    rt::Task<void> read_at_once(const Customer& who, gbs::StorageIndex index,
                                std::span<std::optional<wire::HttpAnswer>> answers) {
        rt::Scope scope(ctx_);
        for (std::optional<wire::HttpAnswer>& answer : answers)
            scope.spawn(read_one(add_connection(),
                                 who.client.read(Route::immutable_read, index, 0, std::nullopt),
                                 answer));
        co_await scope.join();
    }
    // The other grid wants to come up all the time.
    rt::Task<void> come_up_while(GridId grid, const bool& serving, int& times) {
        while (serving && co_await turnstile_.pass(ctx_, grid)) ++times;
    }
    rt::Task<void> serve_beside(GridId other, std::string request,
                                std::vector<Taker::Write>& writes) {
        int times = 0;
        bool serving = true;
        rt::Scope scope(ctx_);
        scope.spawn(come_up_while(other, serving, times));
        wire::HttpServer server(rt_.reactor, *handler_);
        co_await server.serve(ctx_, std::make_unique<Taker>(std::move(request), times, writes));
        serving = false;
        co_await scope.join();
    }
    rt::Task<void> keep_sent(rt::Stream& stream, std::string bytes) {
        (void)co_await stream.write_all(ctx_, as_bytes(bytes));
    }
    // A connection that has sent so much of a request, and no more.
    rt::Task<std::unique_ptr<wire::TlsStream>> stalled(const gbs::ClientRequest& request,
                                                       std::size_t body_bytes) {
        auto engine = proto::tls::Engine::client(
            tls_, nullptr,
            proto::tls::PeerPolicy::pinned_key(service_.certificate.spki_hash_bytes()));
        auto stream = *co_await wire::TlsStream::handshake(
            ctx_, rt_.reactor, *co_await rt_.network.connect(ctx_, listener_->local()),
            *std::move(engine));
        std::string head = fmt::format("PATCH {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n",
                                       request.target, request.body.size());
        for (const auto& [name, value] : request.fields) head += name + ": " + value + "\r\n";
        (void)co_await stream->write_all(ctx_, as_bytes(head + "\r\n"));
        (void)co_await stream->write_all(ctx_, ByteView(request.body).first(body_bytes));
        co_return stream;
    }
    // Sends bytes in the clear and returns all that comes back until the end.
    rt::Task<std::string> exchange(std::string bytes) {
        auto stream = std::move(*co_await rt_.network.connect(ctx_, listener_->local()));
        (void)co_await stream->write_all(ctx_, as_bytes(bytes));
        ByteBuffer room(4096);
        std::string all;
        for (;;) {
            const auto got = co_await stream->read_some(ctx_, room);
            if (!got || *got == 0) co_return all;
            all += as_text(ByteView(room).first(*got));
        }
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

TEST_F(GateTest, version_tells_the_space_that_is_left) {
    tenants::Policy policy;
    policy.quota_bytes = kGiB;
    const Customer a = customer(policy);
    const auto answer = send(a, a.client.version());
    const gbs::VersionAnswer version = must(gbs::read_version(answer.head, answer.body));
    EXPECT_EQ(version.application_version, "s4/test");
    EXPECT_LE(version.available_bytes, kGiB);
    EXPECT_GT(version.available_bytes, kGiB / 2);
}

TEST_F(GateTest, an_upload_goes_the_way_of_the_reference_s_probe) {
    const Customer a = customer();
    const auto& c = a.client;
    const auto si = index_of(1);
    EXPECT_EQ(status(a, c.add_lease(si, lease_)), 404);
    auto answer = send(a, c.allocate(si, lease_, upload_, {{0, 1, 2}, 10}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)),
              (gbs::AllocateAnswer{{}, {0, 1, 2}}));
    answer = send(a, c.allocate(si, lease_, upload_, {{0, 1, 2}, 10}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)).allocated.size(), 3)
        << "the same upload secret gets the same answer";
    answer = send(a, c.allocate(si, lease_, other_upload_, {{0, 1, 2}, 10}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)), (gbs::AllocateAnswer{{}, {}}));

    const auto write = [&](gbs::ShareNumber n, std::uint64_t offset, std::string_view bytes) {
        return send(a, c.write(si, n, upload_, offset, text(bytes)));
    };
    answer = write(0, 0, "abcd");
    EXPECT_EQ(answer.head.status, 200);
    EXPECT_EQ(must(gbs::read_write(answer.head, answer.body)).required,
              (std::vector<gbs::Missing>{{4, 10}}));
    EXPECT_EQ(write(0, 0, "abcd").head.status, 200);
    answer = write(0, 2, "cdef");
    EXPECT_EQ(must(gbs::read_write(answer.head, answer.body)).required,
              (std::vector<gbs::Missing>{{6, 10}}));
    EXPECT_EQ(write(0, 0, "XXXX").head.status, 409);
    EXPECT_EQ(status(a, c.write(si, 0, other_upload_, 0, text("abcd"))), 401);
    EXPECT_EQ(write(7, 0, "abcd").head.status, 404);
    EXPECT_EQ(write(1, 5, "0123456789").head.status, 413);

    answer = send(a, c.list(Route::immutable_shares, si));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
    answer = send(a, c.read(Route::immutable_read, si, 0, std::nullopt));
    EXPECT_EQ(answer.head.status, 404);
    EXPECT_EQ(answer.head.fields.find("Content-Type"), "application/octet-stream");

    answer = write(0, 4, "efghij");
    EXPECT_EQ(answer.head.status, 201);
    EXPECT_TRUE(must(gbs::read_write(answer.head, answer.body)).required.empty());
    EXPECT_EQ(write(0, 4, "efghij").head.status, 404);
    EXPECT_EQ(status(a, c.abort(si, 0, upload_)), 405);
    EXPECT_EQ(status(a, c.abort(si, 1, other_upload_)), 401);
    EXPECT_EQ(status(a, c.abort(si, 1, upload_)), 200);
    EXPECT_EQ(status(a, c.abort(si, 1, upload_)), 404);
    EXPECT_EQ(status(a, c.abort(si, 9, upload_)), 404);

    answer = send(a, c.list(Route::immutable_shares, si));
    EXPECT_EQ(must(gbs::read_list(answer.head, answer.body)), (std::vector<gbs::ShareNumber>{0}));
    answer = send(a, c.allocate(si, lease_, other_upload_, {{5}, 10}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)), (gbs::AllocateAnswer{{0}, {5}}));
    EXPECT_EQ(status(a, c.add_lease(si, lease_)), 204);
    EXPECT_EQ(status(a, c.advise_corrupt(Route::immutable_corrupt, si, 0, "ueb hash")), 200);
    EXPECT_EQ(status(a, c.advise_corrupt(Route::immutable_corrupt, si, 6, "x")), 404);
    EXPECT_EQ(status(a, c.advise_corrupt(Route::immutable_corrupt, si, 0, "")), 400);
    answer = send(a, c.allocate(index_of(3), lease_, upload_, {{0}, std::uint64_t{1} << 60}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)), (gbs::AllocateAnswer{{}, {}}));
}

TEST_F(GateTest, ranges_are_answered_as_the_client_needs_them) {
    const Customer a = customer();
    const auto& c = a.client;
    const auto si = index_of(1);
    (void)send(a, c.allocate(si, lease_, upload_, {{0}, 10}));
    EXPECT_EQ(status(a, c.write(si, 0, upload_, 0, text("abcdefghij"))), 201);
    const auto read = [&](std::optional<Span> span) {
        return send(a, c.read(Route::immutable_read, si, 0, span));
    };
    auto answer = read(Span{0, 3});
    EXPECT_EQ(answer.head.status, 206);
    EXPECT_EQ(answer.head.fields.find("Content-Range"), "bytes 0-3/*");
    EXPECT_EQ(to_string(answer.body), "abcd");
    answer = read(Span{8, 20});
    EXPECT_EQ(answer.head.fields.find("Content-Range"), "bytes 8-9/*");
    EXPECT_EQ(to_string(answer.body), "ij");
    answer = read(Span{8, UINT64_MAX});
    EXPECT_EQ(answer.head.status, 206);
    EXPECT_EQ(to_string(answer.body), "ij");
    EXPECT_EQ(read(Span{UINT64_MAX, UINT64_MAX}).head.status, 204);
    EXPECT_EQ(read(Span{10, 20}).head.status, 204);
    EXPECT_EQ(read(Span{100, 200}).head.status, 204);
    answer = read(std::nullopt);
    EXPECT_EQ(answer.head.status, 200);
    EXPECT_EQ(to_string(answer.body), "abcdefghij");
    for (const char* bad : {"bytes=5-", "bytes=-3", "bytes=0-1,3-4", "bytes=5-2", "garbage"}) {
        gbs::ClientRequest request = c.read(Route::immutable_read, si, 0, std::nullopt);
        request.fields.emplace_back("Range", bad);
        answer = send(a, std::move(request));
        EXPECT_EQ(answer.head.status, 416) << bad;
        EXPECT_EQ(answer.head.fields.find("Content-Type"), "application/octet-stream");
    }
    gbs::ClientRequest head = c.read(Route::immutable_read, si, 0, Span{2, 5});
    head.method = proto::http1::Method::head;
    answer = send(a, std::move(head));
    EXPECT_EQ(answer.head.status, 206);
    EXPECT_EQ(answer.head.content_length, 4);
    EXPECT_TRUE(answer.body.empty());
}

TEST_F(GateTest, large_shares_stream_in_and_out) {
    const Customer a = customer();
    const auto& c = a.client;
    const auto si = index_of(1);
    const ByteBuffer whole = pattern(5 * kMiB + 123);
    (void)send(a, c.allocate(si, lease_, upload_, {{0}, whole.size()}));
    for (std::size_t at = 0; at < whole.size(); at += kMiB) {
        const std::size_t n = std::min<std::size_t>(kMiB, whole.size() - at);
        const int expected = at + n == whole.size() ? 201 : 200;
        EXPECT_EQ(status(a, c.write(si, 0, upload_, at, to_buffer(ByteView(whole).subspan(at, n)))),
                  expected);
    }
    EXPECT_TRUE(equal(send(a, c.read(Route::immutable_read, si, 0, std::nullopt)).body, whole));
    const Span middle{kMiB - 7, 3 * kMiB + 11};
    EXPECT_TRUE(equal(send(a, c.read(Route::immutable_read, si, 0, middle)).body,
                      ByteView(whole).subspan(middle.first, middle.size())));
}

class SlotTest : public GateTest {
  protected:
    wire::HttpAnswer change(const Customer& a, const gbs::ReadTestWriteRequest& request,
                            ByteView data = {}, const Secret* enabler = nullptr) {
        return send(a, a.client.read_test_write(slot_, enabler ? *enabler : enabler_, lease_,
                                                request, data));
    }
    gbs::ReadTestWriteAnswer changed(const Customer& a, const gbs::ReadTestWriteRequest& request,
                                     ByteView data = {}) {
        const auto answer = change(a, request, data);
        return must(gbs::read_read_test_write(answer.head, answer.body));
    }
    static gbs::ReadTestWriteRequest just_reads(gbs::ReadVector read) {
        return {.shares = {}, .reads = {read}};
    }

    const gbs::StorageIndex slot_ = index_of(9);
};

TEST_F(SlotTest, a_slot_goes_the_way_of_the_reference_s_probe) {
    using Data = std::map<gbs::ShareNumber, std::vector<ByteBuffer>>;
    const Customer a = customer();
    EXPECT_EQ(changed(a, {}), (gbs::ReadTestWriteAnswer{true, {}}));
    gbs::ReadTestWriteRequest create{
        .shares = {{0, {.tests = {{0, 1, {}}}, .writes = {{0, 0, 5}}, .new_length = std::nullopt}}},
        .reads = {{0, 10}}};
    EXPECT_EQ(changed(a, create, as_bytes("hello")), (gbs::ReadTestWriteAnswer{true, {}}));
    EXPECT_EQ(changed(a, create, as_bytes("HELLO")),
              (gbs::ReadTestWriteAnswer{false, Data{{0, {text("hello")}}}}));
    EXPECT_TRUE(changed(a,
                        {.shares = {{0, {.tests = {}, .writes = {{8, 0, 1}}, .new_length = 20}}},
                         .reads = {}},
                        as_bytes("x"))
                    .success);
    EXPECT_EQ(changed(a, {.shares = {{0, {.tests = {}, .writes = {}, .new_length = 3}},
                                     {1, {.tests = {}, .writes = {}, .new_length = 5}}},
                          .reads = {{0, 30}}})
                  .data,
              (Data{{0, {text(std::string_view("hello\0\0\0x", 9))}}}));
    EXPECT_EQ(changed(a, just_reads({0, 30})).data, (Data{{0, {text("hel")}}, {1, {{}}}}));

    const Secret wrong(ByteBuffer(32, 'q'));
    EXPECT_EQ(change(a, just_reads({0, 30}), {}, &wrong).head.status, 401);
    auto answer = send(a, a.client.list(Route::mutable_shares, slot_));
    EXPECT_EQ(must(gbs::read_list(answer.head, answer.body)),
              (std::vector<gbs::ShareNumber>{0, 1}));
    answer = send(a, a.client.read(Route::mutable_read, slot_, 0, Span{0, 99}));
    EXPECT_EQ(answer.head.fields.find("Content-Range"), "bytes 0-2/*");
    EXPECT_EQ(status(a, a.client.read(Route::mutable_read, slot_, 4, Span{0, 99})), 404);
    EXPECT_EQ(status(a, a.client.advise_corrupt(Route::mutable_corrupt, slot_, 0, "bad")), 200);
    EXPECT_EQ(status(a, a.client.advise_corrupt(Route::mutable_corrupt, slot_, 5, "bad")), 404);
    EXPECT_EQ(changed(a, {.shares = {{0, {.tests = {}, .writes = {}, .new_length = 0}},
                                     {1, {.tests = {}, .writes = {}, .new_length = 0}}},
                          .reads = {}})
                  .data,
              (Data{{0, {}}, {1, {}}}));
    answer = send(a, a.client.list(Route::mutable_shares, slot_));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
}

TEST_F(SlotTest, a_large_slot_streams_in_and_out) {
    const Customer a = customer();
    const ByteBuffer whole = pattern(3 * kMiB + 5);
    EXPECT_TRUE(
        changed(
            a,
            {.shares =
                 {{3, {.tests = {}, .writes = {{0, 0, whole.size()}}, .new_length = std::nullopt}}},
             .reads = {}},
            whole)
            .success);
    EXPECT_TRUE(equal(changed(a, just_reads({0, 1ull << 40})).data.at(3).at(0), whole));
    EXPECT_TRUE(
        equal(send(a, a.client.read(Route::mutable_read, slot_, 3, std::nullopt)).body, whole));
}

TEST_F(SlotTest, the_two_kinds_of_shares_are_not_mixed_up) {
    const Customer a = customer();
    const auto& c = a.client;
    (void)send(a, c.allocate(index_of(1), lease_, upload_, {{0}, 3}));
    EXPECT_EQ(status(a, c.write(index_of(1), 0, upload_, 0, text("abc"))), 201);
    EXPECT_TRUE(
        changed(a,
                {.shares = {{0, {.tests = {}, .writes = {{0, 0, 1}}, .new_length = std::nullopt}}},
                 .reads = {}},
                as_bytes("x"))
            .success);
    auto answer = send(a, c.list(Route::immutable_shares, slot_));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
    answer = send(a, c.list(Route::mutable_shares, index_of(1)));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
    EXPECT_EQ(status(a, c.read(Route::mutable_read, index_of(1), 0, std::nullopt)), 404);
    EXPECT_EQ(status(a, c.read(Route::immutable_read, slot_, 0, std::nullopt)), 404);
    answer = send(a, c.allocate(slot_, lease_, upload_, {{7}, 10}));
    EXPECT_EQ(answer.head.status, 409);
    EXPECT_EQ(to_string(answer.body), "the index holds mutable shares");
}

TEST_F(SlotTest, without_room_a_slot_is_refused_with_507_and_stays_as_it_was) {
    tenants::Policy policy;
    policy.quota_bytes = kMiB;
    const Customer a = customer(policy);
    const ByteBuffer too_much = pattern(18 * kMiB);
    const auto refused = change(
        a,
        {.shares =
             {{0, {.tests = {}, .writes = {{0, 0, too_much.size()}}, .new_length = std::nullopt}}},
         .reads = {}},
        too_much);
    EXPECT_EQ(refused.head.status, 507) << to_string(refused.body);
    const auto answer = send(a, a.client.list(Route::mutable_shares, slot_));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
}

TEST_F(GateTest, one_customer_never_reaches_another) {
    const Customer a = customer();
    const Customer b = customer();
    const auto si = index_of(1);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0}, 3}));
    EXPECT_EQ(status(a, a.client.write(si, 0, upload_, 0, text("abc"))), 201);
    // Whoever else knows the index, and even speaks on the same connection, sees nothing.
    for (const std::size_t connection : {a.connection, b.connection}) {
        const auto answer = send(connection, b.client.list(Route::immutable_shares, si));
        EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
        EXPECT_EQ(
            send(connection, b.client.read(Route::immutable_read, si, 0, std::nullopt)).head.status,
            404);
        EXPECT_EQ(send(connection, b.client.add_lease(si, lease_)).head.status, 404);
    }
    EXPECT_EQ(status(a, a.client.read(Route::immutable_read, si, 0, std::nullopt)), 200);
}

TEST_F(GateTest, a_wrong_swissnum_is_refused_before_all_else) {
    const Customer a = customer();
    EXPECT_EQ(status(a, a.client.version()), 200);
    const auto with = [&](std::string_view value) {
        gbs::ClientRequest request = a.client.version();
        std::erase_if(request.fields, [](const auto& f) { return f.first == "Authorization"; });
        if (!value.empty()) request.fields.emplace_back("Authorization", value);
        request.fields.emplace_back("X-Tahoe-Authorization", "nonsense");
        return send(a, std::move(request));
    };
    const std::string right = a.client.version().fields.front().second;
    for (const std::string& value :
         {std::string(), "Tahoe-LAFS " + codec::base64::encode(as_bytes("wrong")),
          "tahoe-lafs" + right.substr(10), std::string("Basic abc")}) {
        const auto refused = with(value);
        EXPECT_EQ(refused.head.status, 401) << value;
        EXPECT_EQ(to_string(refused.body), "Wrong Authorization header");
    }
    EXPECT_EQ(with(right).head.status, 400) << "then the secrets are looked at";
    EXPECT_EQ(status(a, a.client.version()), 200);
}

TEST_F(GateTest, bodies_are_checked_before_anything_changes) {
    const Customer a = customer();
    const auto with_body = [&](ByteBuffer body, std::string_view type = "application/cbor") {
        gbs::ClientRequest request = a.client.allocate(index_of(2), lease_, upload_, {{0}, 10});
        for (auto& [name, value] : request.fields)
            if (name == "Content-Type") value = type;
        request.body = std::move(body);
        return status(a, std::move(request));
    };
    EXPECT_EQ(with_body(text("\xff\xff")), 400);
    EXPECT_EQ(with_body(ByteBuffer(9000, 0)), 413);
    EXPECT_EQ(with_body(ByteBuffer(8192, 0)), 400);
    EXPECT_EQ(with_body(text("{}"), "text/plain"), 415);
    gbs::ClientRequest request = a.client.version();
    for (auto& [name, value] : request.fields)
        if (name == "Accept") value = "text/html";
    EXPECT_EQ(status(a, std::move(request)), 406);
    gbs::ClientRequest short_body = a.client.write(index_of(2), 0, upload_, 0, text("abcd"));
    short_body.body = text("ab");
    (void)send(a, a.client.allocate(index_of(2), lease_, upload_, {{0}, 10}));
    EXPECT_EQ(status(a, std::move(short_body)), 400);
    gbs::ClientRequest long_body = a.client.write(index_of(2), 0, upload_, 0, text("abcd"));
    long_body.body = text("abcdefgh");
    const auto answer = send(a, std::move(long_body));
    EXPECT_EQ(must(gbs::read_write(answer.head, answer.body)).required,
              (std::vector<gbs::Missing>{{4, 10}}));
}

TEST_F(GateTest, policy_decides_what_a_grid_may_do) {
    const Customer a = customer();
    const auto si = index_of(1);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0}, 3}));
    EXPECT_EQ(status(a, a.client.write(si, 0, upload_, 0, text("abc"))), 201);

    tenants::Policy policy;
    policy.state = tenants::GridState::read_only;
    set_policy(a, policy);
    EXPECT_EQ(status(a, a.client.read(Route::immutable_read, si, 0, std::nullopt)), 200);
    EXPECT_EQ(status(a, a.client.add_lease(si, lease_)), 204);
    EXPECT_EQ(status(a, a.client.add_lease(si, lease2_)), 507);
    const auto answer = send(a, a.client.allocate(index_of(2), lease_, upload_, {{0}, 3}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)), (gbs::AllocateAnswer{{}, {}}));

    policy.state = tenants::GridState::frozen;
    set_policy(a, policy);
    EXPECT_EQ(status(a, a.client.read(Route::immutable_read, si, 0, std::nullopt)), 503);

    policy.state = tenants::GridState::closed;
    set_policy(a, policy);
    EXPECT_EQ(status(a, a.client.version()), 401);
}

TEST_F(GateTest, a_grid_has_as_many_connections_as_its_policy_says) {
    tenants::Policy policy;
    policy.connections_max = 2;
    const Customer a = customer(policy);
    EXPECT_EQ(send(a.connection, a.client.version()).head.status, 200);
    EXPECT_EQ(send(add_connection(), a.client.version()).head.status, 200);
    const auto refused = send(add_connection(), a.client.version());
    EXPECT_EQ(refused.head.status, 503);
    EXPECT_EQ(refused.head.fields.find("Connection"), "close");
    EXPECT_EQ(seats_.of_grid(a.grid), 2);
    EXPECT_EQ(send(a.connection, a.client.version()).head.status, 200);
}

TEST_F(GateTest, a_grid_s_requests_beyond_its_limit_wait_for_each_other) {
    tenants::Policy policy;
    policy.requests_max = 1;
    policy.bytes_per_s = 64 * kMiB;
    const Customer a = customer(policy);
    const auto si = index_of(4);
    const ByteBuffer whole = pattern(kMiB);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0}, whole.size()}));
    EXPECT_EQ(status(a, a.client.write(si, 0, upload_, 0, whole)), 201);
    std::array<std::optional<wire::HttpAnswer>, 5> answers;
    backend_.run(read_at_once(a, si, answers));
    for (const auto& answer : answers) {
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->head.status, 200);
        EXPECT_TRUE(equal(answer->body, whole));
    }
    EXPECT_EQ(turnstile_.meters(), 1);
}

TEST_F(GateTest, a_client_that_stalls_keeps_no_turn_from_its_own_grid) {
    tenants::Policy policy;
    policy.requests_max = 1;
    const Customer a = customer(policy);
    const auto si = index_of(5);
    const ByteBuffer whole = pattern(300'000);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0, 1}, whole.size()}));
    std::optional<std::unique_ptr<wire::TlsStream>> half;
    backend_.run(keep(stalled(a.client.write(si, 0, upload_, 0, whole), whole.size() / 2), half));
    EXPECT_EQ(status(a, a.client.write(si, 1, upload_, 0, whole)), 201);
    EXPECT_EQ(status(a, a.client.version()), 200);
    run(keep_sent(**half, to_string(ByteView(whole).subspan(whole.size() / 2))));
    std::optional<Result<std::size_t>> got;
    ByteBuffer room(4096);
    backend_.run(keep((*half)->read_some(ctx_, room), got));
    ASSERT_TRUE(*got);
    EXPECT_TRUE(as_text(room).starts_with("HTTP/1.1 201"));
}

TEST_F(GateTest, other_grids_come_up_while_a_fast_peer_takes_a_large_share) {
    const Customer a = customer();
    const Customer b = customer();
    const auto si = index_of(6);
    const ByteBuffer whole = pattern(kMiB);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0}, whole.size()}));
    EXPECT_EQ(status(a, a.client.write(si, 0, upload_, 0, whole)), 201);
    const auto read = a.client.read(Route::immutable_read, si, 0, std::nullopt);
    std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n", read.target);
    for (const auto& [name, value] : read.fields) request += name + ": " + value + "\r\n";
    std::vector<Taker::Write> writes;
    run(serve_beside(b.grid, request + "\r\n", writes));
    ASSERT_GE(writes.size(), kMiB / kSendBytesMax);
    for (std::size_t i = 1; i < writes.size(); ++i) {
        EXPECT_LE(writes[i].bytes, kSendBytesMax);
        EXPECT_GT(writes[i].others_came_up, writes[i - 1].others_came_up) << "before write " << i;
    }
}

TEST_F(GateTest, surplus_pooled_connections_end_with_a_version_answer) {
    const Customer a = customer();
    for (std::size_t i = 0; i < kPooledConnectionsPerHostMax; ++i)
        EXPECT_FALSE(send(add_connection(), a.client.version()).head.fields.find("Connection"));
    EXPECT_EQ(send(add_connection(), a.client.version()).head.fields.find("Connection"), "close");
}

TEST_F(GateTest, the_first_bytes_decide) {
    EXPECT_EQ(run(exchange("GET /id/abc HTTP/1.1\r\n\r\n")), "");
    EXPECT_EQ(foolscap_.opening, "GET /id/abc HTTP/1.1\r\n\r\n");
    foolscap_.opening.clear();
    for (const char* other :
         {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n", "GET /idx", "\n"})
        EXPECT_EQ(run(exchange(other)), "") << other;
    EXPECT_EQ(foolscap_.opening, "");
    const std::string alert = run(exchange(std::string("\x16\x03\x01\0\x05hello", 10)));
    EXPECT_TRUE(alert.empty() || alert[0] == 0x15) << "at most a TLS alert";
    EXPECT_EQ(door_->https_connections(), 0);
}

TEST_F(GateTest, a_client_gets_through_a_flood_of_half_open_connections) {
    const Customer a = customer();
    std::vector<std::unique_ptr<rt::Stream>> halves;
    std::optional<Result<std::unique_ptr<rt::Stream>>> half;
    for (std::size_t i = 0; i <= kStrangersPerHostMax; ++i) {
        half.reset();
        backend_.run(keep(rt_.network.connect(ctx_, listener_->local()), half));
        halves.push_back(std::move(half->value()));
        run(keep_sent(*halves.back(), "\x16"));
    }
    EXPECT_EQ(status(a, a.client.version()), 200);
    EXPECT_LE(door_->strangers(), kStrangersPerHostMax);
    std::optional<Result<std::size_t>> got;
    std::array<std::uint8_t, 1> room;
    backend_.run(keep(halves.front()->read_some(ctx_, room), got));
    EXPECT_TRUE(!*got || **got == 0) << "the oldest was closed";
}

TEST(Seats, count_by_grid_and_host) {
    Seats seats;
    const GridId grid{1};
    auto first = seats.take(grid, "a", 2);
    auto second = seats.take(grid, "b", 2);
    EXPECT_FALSE(seats.take(grid, "c", 2));
    EXPECT_TRUE(seats.take(GridId{2}, "c", 2));
    EXPECT_EQ(seats.of_host(grid, "a"), 1);
    first.reset();
    EXPECT_EQ(seats.of_host(grid, "a"), 0);
    EXPECT_TRUE(seats.take(grid, "c", 2));
    EXPECT_EQ(seats.grids(), 1);
    second.reset();
    EXPECT_EQ(seats.grids(), 0);
}

}  // namespace
}  // namespace s4::gate
