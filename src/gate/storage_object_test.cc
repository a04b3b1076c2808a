// Storage over Foolscap: the calls of the reference's probe (traces/fsprobe.py) and its answers,
// but for the kinder ones in README.md.
#include "gate/storage_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "base/check.h"
#include "base/scratch_folder_test.h"
#include "blob/directory_store.h"
#include "crypto/seeded_random.h"
#include "gate/foolscap_gate.h"
#include "gate/grid_policies.h"
#include "gate/limits.h"
#include "introducer/records.h"
#include "proto/tls/engine.h"
#include "rt/asio/backend.h"
#include "sql/database.h"
#include "storage/schema.h"
#include "tenants/limits.h"
#include "tenants/records.h"

namespace s4::gate {
namespace {

namespace pf = proto::foolscap;
using pf::Failure;
using pf::Value;
using ::testing::HasSubstr;

Value index_of(char n) {
    return Value::bytes(std::string(16, n));
}
Value secret(char n) {
    return Value::bytes(std::string(32, n));
}
Value numbers(std::initializer_list<std::int64_t> list) {
    Value::Items items;
    for (const std::int64_t n : list) items.push_back(Value::integer(n));
    return Value::set(std::move(items));
}
Value range(std::int64_t offset, std::int64_t size) {
    return Value::tuple({Value::integer(offset), Value::integer(size)});
}
Value slot_secrets_of(char enabler) {
    return Value::tuple({secret(enabler), secret('r'), secret('c')});
}
// ([tests], [writes], new length) for share 0.
Value share_0(Value::Items tests, Value::Items writes, Value new_length) {
    return Value::dict(
        {{Value::integer(0), Value::tuple({Value::list(std::move(tests)),
                                           Value::list(std::move(writes)), new_length})}});
}
Value must_not_exist() {
    return Value::tuple(
        {Value::integer(0), Value::integer(1), Value::bytes("eq"), Value::bytes("")});
}
Value write_at(std::int64_t offset, std::string_view data) {
    return Value::tuple({Value::integer(offset), Value::bytes(data)});
}
Value read_results(std::initializer_list<std::string_view> strings) {
    Value::Items items;
    for (const std::string_view s : strings) items.push_back(Value::bytes(s));
    return Value::dict({{Value::integer(0), Value::list(std::move(items))}});
}

class StorageObjectTest : public testing::Test {
  public:
    StorageObjectTest() {
        client_limits_.broker.message_bytes_max = 64 * kMiB;
        std::vector<sql::Migration> all;
        for (const auto& list :
             {tenants::migrations(), introducer::migrations(), storage::migrations()})
            all.insert(all.end(), list.begin(), list.end());
        sql::Options options;
        options.path = folder_.file("db");
        database_ = sql::Database::open(rt_, options, all).value();
        blobs_ =
            blob::DirectoryStore::open(rt_, {.path = folder_.file("store"), .planted_bugs = {}})
                .value();
    }
    ~StorageObjectTest() override {
        engine_.reset();
        introducer_.reset();
        directory_.reset();
        database_.reset();
    }

    void run(rt::Task<void> (StorageObjectTest::*body)()) { backend_.run(with_server(body)); }

    rt::Task<void> with_server(rt::Task<void> (StorageObjectTest::*body)()) {
        directory_ = *co_await tenants::Directory::create(ctx_, *database_, keyring_,
                                                          tenants::kIdleGridsMax);
        policies_.follow(*directory_);
        engine_ = (co_await storage::Engine::create(ctx_, rt_, *database_, *blobs_, master_,
                                                    policies_, storage::EngineOptions{}))
                      .value();
        introducer_ = std::make_unique<introducer::Introducer>(rt_, *database_);
        gate_ =
            std::make_unique<FoolscapGate>(FoolscapServices{rt_.reactor, *directory_, *introducer_,
                                                            "s4/test", engine_.get(), &turnstile_},
                                           security_, seats_, random_);
        // One turn at a time is enough for everything: nothing that has one waits for another.
        const auto made = keyring_.new_grid(random_, 1795000000, {.requests_max = 1});
        const GridId grid = *co_await database_->write(
            ctx_, [&](sql::Transaction& tx) { return tenants::insert_grid(tx, made); });
        auto listener = rt_.network.listen({"127.0.0.1", 0}).value();
        rt::Scope scope(ctx_);
        scope.spawn(accept_all(scope, *listener));
        const tenants::Tub tub = (co_await directory_->by_id(ctx_, grid)).value()->storage;
        furl_ = {tub.tub_id,
                 {pf::format_tcp_hint({"127.0.0.1", listener->local().port})},
                 std::string(keyring_.swissnum(tub).value().reveal_text())};
        co_await connect();
        co_await (this->*body)();
        co_await client_->close();
        listener->close();
        co_await gate_->drain(ctx_.until(rt_.reactor.now()));
        co_await scope.join();
        gate_.reset();
        EXPECT_EQ(turnstile_.grids(), 0u);
        co_await engine_->close();
    }
    rt::Task<void> accept_all(rt::Scope& scope, rt::Listener& listener) {
        while (true) {
            auto stream = co_await listener.accept(scope.context());
            if (!stream) co_return;
            scope.spawn(gate_->serve(scope.context(), *std::move(stream), {}));
        }
    }
    rt::Task<void> connect() {
        if (client_ != nullptr) co_await client_->close();
        auto connected = co_await wire::FoolscapClient::connect(ctx_, rt_, security_, tub_, furl_,
                                                                client_limits_);
        CHECK(connected, connected.error().to_string());
        client_ = *std::move(connected);
        server_ = (co_await client_->connection().get_reference(ctx_, furl_.name)).value();
    }
    // The answer's value, or the failure as one.
    rt::Task<Value> call_on(pf::RemoteReference target, std::string method,
                            std::vector<Value> arguments) {
        auto outcome = co_await client_->connection().call(
            ctx_, target, std::move(method), {.positional = std::move(arguments), .keyword = {}});
        EXPECT_TRUE(outcome);
        if (const auto* failure = std::get_if<Failure>(&*outcome)) co_return *failure;
        co_return std::get<Value>(*outcome);
    }
    rt::Task<Value> call(std::string method, std::vector<Value> arguments) {
        co_return co_await call_on(server_, std::move(method), std::move(arguments));
    }
    rt::Task<pf::RemoteReference> writer(char index, std::int64_t size) {
        std::vector<Value> arguments{index_of(index), secret('r'),          secret('c'),
                                     numbers({0}),    Value::integer(size), Value::none()};
        const Value answer = co_await call("allocate_buckets", std::move(arguments));
        co_return *answer.as_tuple()->at(1).as_dict()->at(0).second.as_remote();
    }
    rt::Task<pf::RemoteReference> reader(char index) {
        std::vector<Value> arguments{index_of(index)};
        const Value answer = co_await call("get_buckets", std::move(arguments));
        co_return *answer.as_dict()->at(0).second.as_remote();
    }
    rt::Task<Value> write(pf::RemoteReference to, std::int64_t offset, std::string data) {
        std::vector<Value> arguments{Value::integer(offset), Value::bytes(data)};
        co_return co_await call_on(to, "write", std::move(arguments));
    }
    rt::Task<Value> test_write(char enabler, Value vectors, Value::Items reads) {
        std::vector<Value> arguments{index_of('m'), slot_secrets_of(enabler), std::move(vectors),
                                     Value::list(std::move(reads))};
        co_return co_await call("slot_testv_and_readv_and_writev", std::move(arguments));
    }
    static void expect_failure(const Value& value, std::string_view type, std::string_view text) {
        ASSERT_NE(value.as_failure(), nullptr);
        EXPECT_EQ(value.as_failure()->type, type);
        EXPECT_THAT(value.as_failure()->value, HasSubstr(text));
    }

    rt::Task<void> versions();
    rt::Task<void> uploads();
    rt::Task<void> streams();
    rt::Task<void> refused_by_the_disk();
    rt::Task<void> loses();
    rt::Task<void> slots();
    rt::Task<void> large_slots();
    rt::Task<void> bad_arguments();
    rt::Task<void> upload(char index, const std::string& bytes);
    rt::Task<void> large_reads();
    rt::Task<void> keyword_writes();
    rt::Task<Value> write_named(pf::RemoteReference to, pf::Arguments arguments);
    rt::Task<void> wrong_writes();

    wire::FoolscapLimits client_limits_;
    ScratchFolder folder_;
    rt::asio::Backend backend_{1};
    rt::Runtime& rt_ = backend_.runtime();
    rt::Context ctx_;
    crypto::SeededRandom random_{7};
    crypto::StaticMasterKey master_ = crypto::StaticMasterKey::generate(random_);
    tenants::Keyring keyring_ = tenants::Keyring::create(master_).value();
    proto::tls::Library tls_ = *proto::tls::Library::create();
    wire::FoolscapTls security_{rt_.reactor, tls_};
    wire::ClientTub tub_{crypto::TlsIdentity::generate(random_, 0), random_};
    Seats seats_;
    GridPolicies policies_;
    Turnstile turnstile_{rt_.reactor, [this](GridId grid) { return policies_.allowance(grid); }};
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<blob::Store> blobs_;
    std::unique_ptr<tenants::Directory> directory_;
    std::unique_ptr<storage::Engine> engine_;
    std::unique_ptr<introducer::Introducer> introducer_;
    std::unique_ptr<FoolscapGate> gate_;
    pf::Furl furl_;
    std::unique_ptr<wire::FoolscapClient> client_;
    pf::RemoteReference server_;
};

rt::Task<void> StorageObjectTest::versions() {
    EXPECT_EQ(server_.interface_name, "RIStorageServer.tahoe.allmydata.com");
    const Value version = co_await call("get_version", {});
    const Value* features = version.find("http://allmydata.org/tahoe/protocols/storage/v1");
    EXPECT_EQ(features->as_dict()->size(), 7u);
    EXPECT_EQ(*features->find("tolerates-immutable-read-overrun"), Value::boolean(true));
    EXPECT_EQ(features->find("available-space")->as_u64(), 5 * kGiB);
}
TEST_F(StorageObjectTest, TellsItsVersionAndSpace) {
    run(&StorageObjectTest::versions);
}

rt::Task<void> StorageObjectTest::uploads() {
    const auto to = co_await writer('a', 10);
    EXPECT_EQ(to.interface_name, "RIBucketWriter");
    EXPECT_TRUE((co_await write(to, 0, "abcd")).is_none());
    EXPECT_TRUE((co_await write(to, 2, "cdef")).is_none());
    expect_failure(co_await write(to, 0, "XXXX"), "allmydata.interfaces.ConflictingWriteError",
                   "Chunk 0-4 doesn't match already written data.");
    expect_failure(co_await write(to, 8, "XXXX"), "allmydata.interfaces.DataTooLargeError",
                   "(10, 8, 4)");
    EXPECT_TRUE((co_await call_on(to, "close", {})).is_none());
    expect_failure(co_await call_on(to, "close", {}), "builtins.AssertionError", "precondition");
    expect_failure(co_await write(to, 0, "abcd"), "twisted.internet.error.AlreadyCancelled", "");
    EXPECT_TRUE((co_await call_on(to, "abort", {})).is_none());

    const auto from = co_await reader('a');
    EXPECT_EQ(from.interface_name, "RIBucketReader");
    std::vector<Value> whole{Value::integer(0), Value::integer(100)};
    EXPECT_EQ(co_await call_on(from, "read", whole),
              Value::bytes(std::string_view("abcdef\0\0\0\0", 10)));
    std::vector<Value> past{Value::integer(100), Value::integer(5)};
    EXPECT_EQ(co_await call_on(from, "read", past), Value::bytes(""));
    std::vector<Value> all{index_of('a'),   secret('r'),        secret('c'),
                           numbers({0, 7}), Value::integer(10), Value::none()};
    const Value again = co_await call("allocate_buckets", all);
    EXPECT_EQ(again.as_tuple()->at(0), numbers({0}));
    EXPECT_EQ(again.as_tuple()->at(1).as_dict()->size(), 1u);
}
TEST_F(StorageObjectTest, UploadsAndReadsAShare) {
    run(&StorageObjectTest::uploads);
}

rt::Task<void> StorageObjectTest::streams() {
    // Writes and the close arrive in one burst; the large ones stream.
    const std::string piece(200'000, 'p');
    const auto to = co_await writer('b', 1'000'000);
    rt::Scope scope(ctx_);
    int written = 0;
    struct Body {
        static rt::Task<void> write(StorageObjectTest& self, pf::RemoteReference to, int i,
                                    std::string data, int& written) {
            const Value done = co_await self.write(to, i * 200'000, std::move(data));
            if (done.is_none()) ++written;
        }
        static rt::Task<void> close(StorageObjectTest& self, pf::RemoteReference to, int& written) {
            const Value done = co_await self.call_on(to, "close", {});
            EXPECT_TRUE(done.is_none());
            EXPECT_EQ(written, 5);
        }
    };
    for (int i = 0; i < 5; ++i) scope.spawn(Body::write(*this, to, i, piece, written));
    scope.spawn(Body::close(*this, to, written));
    co_await scope.join();
    const auto from = co_await reader('b');
    std::vector<Value> range{Value::integer(150'000), Value::integer(700'000)};
    EXPECT_EQ(co_await call_on(from, "read", range), Value::bytes(std::string(700'000, 'p')));
    const auto conflicting = co_await writer('c', 400'000);
    EXPECT_TRUE((co_await write(conflicting, 0, piece)).is_none());
    expect_failure(co_await write(conflicting, 0, std::string(200'000, 'q')),
                   "allmydata.interfaces.ConflictingWriteError", "Chunk");
    EXPECT_TRUE((co_await write(conflicting, 200'000, piece)).is_none());
}
TEST_F(StorageObjectTest, LargeWritesStreamAndKeepTheirOrder) {
    run(&StorageObjectTest::streams);
}

// For as long as it lives, the disk takes no byte of a file beyond the first `bytes`.
class ShortDisk {
  public:
    explicit ShortDisk(rlim_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
        CHECK(::getrlimit(RLIMIT_FSIZE, &before_) == 0, "the limit is known");
        set({bytes, before_.rlim_max});
    }
    ShortDisk(const ShortDisk&) = delete;
    ShortDisk& operator=(const ShortDisk&) = delete;
    ~ShortDisk() {
        set(before_);
        std::signal(SIGXFSZ, signal_);
    }

  private:
    static void set(const rlimit& to) {
        CHECK(::setrlimit(RLIMIT_FSIZE, &to) == 0, "the limit can be set");
    }

    rlimit before_{};
    void (*signal_)(int);
};

// A client sends its close before it has its writes' answers.
rt::Task<void> StorageObjectTest::refused_by_the_disk() {
    const auto to = co_await writer('d', 8'300'000);
    EXPECT_TRUE((co_await write(to, 0, std::string(100'000, 'p'))).is_none());
    {
        const ShortDisk disk(4'000'000);
        EXPECT_NE((co_await write(to, 8'000'000, std::string(300'000, 'p'))).as_failure(), nullptr);
    }
    EXPECT_NE((co_await call_on(to, "close", {})).as_failure(), nullptr);
    std::vector<Value> index{index_of('d')};
    EXPECT_EQ(co_await call("get_buckets", index), Value::dict({}));
    co_await upload('d', std::string(100'000, 'p'));  // and nothing stands in its way
}
TEST_F(StorageObjectTest, ACloseDoesNotPublishWhatTheDiskRefused) {
    run(&StorageObjectTest::refused_by_the_disk);
}

std::string pattern(std::size_t size) {
    std::string out(size, ' ');
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 131 + i / 251);
    return out;
}

rt::Task<void> StorageObjectTest::upload(char index, const std::string& bytes) {
    const auto to = co_await writer(index, static_cast<std::int64_t>(bytes.size()));
    EXPECT_TRUE((co_await write(to, 0, bytes)).is_none());
    EXPECT_TRUE((co_await call_on(to, "close", {})).is_none());
}

rt::Task<void> StorageObjectTest::large_reads() {
    const std::string whole = pattern(12 * kMiB + 77);
    co_await upload('l', whole);
    const auto from = co_await reader('l');
    struct Body {
        static rt::Task<void> read(StorageObjectTest& self, pf::RemoteReference from,
                                   std::string_view whole, std::uint64_t at, std::uint64_t size) {
            std::vector<Value> range{Value::unsigned_integer(at), Value::unsigned_integer(size)};
            const Value got = co_await self.call_on(from, "read", std::move(range));
            EXPECT_TRUE(got.as_bytes() && equal(*got.as_bytes(), as_bytes(whole.substr(at, size))))
                << at << " " << size;
        }
    };
    // Below the size from which bytes are not copied, and at it.
    co_await Body::read(*this, from, whole, 5, kUncopiedBytesMin - 1);
    co_await Body::read(*this, from, whole, 5, kUncopiedBytesMin);
    // At the limit up to which an answer is read whole, and one past it.
    co_await Body::read(*this, from, whole, 5, kWholeAnswerBytesMax);
    co_await Body::read(*this, from, whole, 5, kWholeAnswerBytesMax + 1);
    co_await Body::read(*this, from, whole, 1, 1ull << 40);
    // More of them at once than have room.
    rt::Scope scope(ctx_);
    for (std::uint64_t i = 0; i < 3 * kAnswersUnderWayMax; ++i)
        scope.spawn(Body::read(*this, from, whole, i * 400'000, 300'000 * (i % 4)));
    co_await scope.join();
}
TEST_F(StorageObjectTest, LargeReadsAreReadWhileTheyAreSent) {
    run(&StorageObjectTest::large_reads);
}

rt::Task<Value> StorageObjectTest::write_named(pf::RemoteReference to, pf::Arguments arguments) {
    auto outcome = co_await client_->connection().call(ctx_, to, "write", std::move(arguments));
    EXPECT_TRUE(outcome);
    if (const auto* failure = std::get_if<Failure>(&*outcome)) co_return *failure;
    co_return std::get<Value>(*outcome);
}

rt::Task<void> StorageObjectTest::keyword_writes() {
    const std::string whole = pattern(3 * kMiB);
    const auto part = [&](std::size_t at) { return Value::bytes(whole.substr(at, kMiB)); };
    const auto to = co_await writer('k', 3 * kMiB);
    const auto at = [](std::size_t n) { return Value::unsigned_integer(n); };
    // In the order of their names, as the reference sends them; in the other; and half and half.
    pf::Arguments data_first{.positional = {},
                             .keyword = {{"data", part(kMiB)}, {"offset", at(kMiB)}}};
    EXPECT_TRUE((co_await write_named(to, data_first)).is_none());
    pf::Arguments offset_first{.positional = {}, .keyword = {{"offset", at(0)}, {"data", part(0)}}};
    EXPECT_TRUE((co_await write_named(to, offset_first)).is_none());
    pf::Arguments mixed{.positional = {at(2 * kMiB)}, .keyword = {{"data", part(2 * kMiB)}}};
    EXPECT_TRUE((co_await write_named(to, mixed)).is_none());
    EXPECT_TRUE((co_await call_on(to, "close", {})).is_none());
    const auto from = co_await reader('k');
    std::vector<Value> all{Value::integer(0), Value::integer(4 * kMiB)};
    EXPECT_EQ(co_await call_on(from, "read", all), Value::bytes(whole));
}
TEST_F(StorageObjectTest, LargeWritesMayNameTheirArguments) {
    run(&StorageObjectTest::keyword_writes);
}

rt::Task<void> StorageObjectTest::wrong_writes() {
    const Value large = Value::bytes(std::string(100'000, 'w'));
    const auto to = co_await writer('w', 100'000);
    pf::Arguments too_long{.positional = {},
                           .keyword = {{"data", Value::bytes(std::string(100'001, 'w'))},
                                       {"offset", Value::integer(0)}}};
    expect_failure(co_await write_named(to, too_long), "allmydata.interfaces.DataTooLargeError",
                   "(100000, 0, 100001)");
    pf::Arguments past_end{.positional = {},
                           .keyword = {{"data", large}, {"offset", Value::integer(1)}}};
    expect_failure(co_await write_named(to, past_end), "allmydata.interfaces.DataTooLargeError",
                   "(100000, 1, 100000)");
    pf::Arguments nowhere{.positional = {}, .keyword = {{"data", large}}};
    expect_failure(co_await write_named(to, nowhere), "foolscap.tokens.Violation", "offset");
    pf::Arguments two{.positional = {Value::integer(0), large, large}, .keyword = {}};
    expect_failure(co_await write_named(to, two), "builtins.ValueError", "one string");
    pf::Arguments elsewhere{.positional = {large, Value::bytes("x")}, .keyword = {}};
    expect_failure(co_await write_named(to, elsewhere), "foolscap.tokens.Violation", "offset");
    EXPECT_TRUE((co_await write(to, 0, std::string(100'000, 'w'))).is_none());
    EXPECT_TRUE((co_await call_on(to, "close", {})).is_none());
}
TEST_F(StorageObjectTest, ALargeWriteThatDoesNotFitLeavesTheWriterUsable) {
    run(&StorageObjectTest::wrong_writes);
}

rt::Task<void> StorageObjectTest::loses() {
    const auto to = co_await writer('d', 4);
    EXPECT_TRUE((co_await write(to, 0, "abcd")).is_none());
    co_await connect();  // the first connection ends without a close
    std::vector<Value> arguments{index_of('d')};
    EXPECT_EQ(co_await call("get_buckets", arguments), Value::dict({}));
    const auto again = co_await writer('d', 4);
    EXPECT_TRUE((co_await write(again, 0, "ABCD")).is_none());
    EXPECT_TRUE((co_await call_on(again, "close", {})).is_none());
}
TEST_F(StorageObjectTest, ALostConnectionsUploadsDoNotStandInTheWay) {
    run(&StorageObjectTest::loses);
}

rt::Task<void> StorageObjectTest::slots() {
    const Value none = Value::none();
    EXPECT_EQ(co_await test_write('w', share_0({must_not_exist()}, {write_at(0, "hello")}, none),
                                  {range(0, 100)}),
              Value::tuple({Value::boolean(true), Value::dict({})}));
    EXPECT_EQ(co_await test_write('w', share_0({must_not_exist()}, {write_at(0, "HELLO")}, none),
                                  {range(0, 100)}),
              Value::tuple({Value::boolean(false), read_results({"hello"})}));
    expect_failure(co_await test_write('x', Value::dict({}), {range(0, 1)}),
                   "allmydata.interfaces.BadWriteEnablerError",
                   "The write enabler was recorded by nodeid '" + furl_.tub_id + "'.");
    std::vector<Value> readv{index_of('m'), Value::list({}),
                             Value::list({range(0, 3), range(3, 100), range(50, 5)})};
    EXPECT_EQ(co_await call("slot_readv", readv), read_results({"hel", "lo", ""}));
    EXPECT_EQ(co_await test_write('w', share_0({}, {}, Value::integer(0)), {}),
              Value::tuple({Value::boolean(true), read_results({})}));
    EXPECT_EQ(co_await call("slot_readv", readv), Value::dict({}));
}
TEST_F(StorageObjectTest, TestsAndWritesSlots) {
    run(&StorageObjectTest::slots);
}

rt::Task<void> StorageObjectTest::large_slots() {
    // One call larger than any message may be, with small and large strings mixed.
    const std::string block(128 * 1024, 'z');
    Value::Items writes{write_at(0, "head")};
    for (int i = 0; i < 64; ++i) writes.push_back(write_at(4 + i * 131'072, block));
    writes.push_back(write_at(4 + 64 * 131'072, "tail"));
    const Value done =
        co_await test_write('w', share_0({must_not_exist()}, std::move(writes), Value::none()), {});
    EXPECT_EQ(done, Value::tuple({Value::boolean(true), Value::dict({})}));
    std::vector<Value> readv{
        index_of('m'), Value::list({Value::integer(0)}),
        Value::list({range(0, 6), range(2 + 64 * 131'072, 100), range(0, 3'000'000)})};
    const Value read = co_await call("slot_readv", readv);
    CHECK(read.as_dict() != nullptr, "the read was answered");
    const auto& strings = *read.as_dict()->at(0).second.as_list();
    EXPECT_EQ(strings.at(0), Value::bytes("headzz"));
    EXPECT_EQ(strings.at(1), Value::bytes("zztail"));
    EXPECT_EQ(strings.at(2).as_bytes()->size(), 3'000'000u);
}
TEST_F(StorageObjectTest, ACallMayBeAsLargeAsAMutableFile) {
    run(&StorageObjectTest::large_slots);
}

rt::Task<void> StorageObjectTest::bad_arguments() {
    constexpr std::string_view kViolation = "foolscap.tokens.Violation";
    std::vector<Value> lease{index_of('a'), Value::bytes("short"), secret('c')};
    expect_failure(co_await call("add_lease", lease), kViolation,
                   "Violation (renew_secret=): ('string too short (5 < 32)',)");
    std::vector<Value> index{Value::bytes("x")};
    expect_failure(co_await call("get_buckets", index), kViolation, "storage_index=");
    expect_failure(co_await call("renew_lease", {}), kViolation,
                   "method 'renew_lease' not defined in RIStorageServer.tahoe.allmydata.com");
    const Value lt =
        Value::tuple({Value::integer(0), Value::integer(1), Value::bytes("lt"), Value::bytes("")});
    expect_failure(co_await test_write('w', share_0({lt}, {}, Value::none()), {}),
                   "builtins.AssertionError", "");
    std::vector<Value> unknown{index_of('z'), secret('r'), secret('c')};
    EXPECT_TRUE((co_await call("add_lease", unknown)).is_none());
    std::vector<Value> advice{Value::bytes("immutable"), index_of('z'), Value::integer(9),
                              Value::bytes("why")};
    EXPECT_TRUE((co_await call("advise_corrupt_share", advice)).is_none());
}
TEST_F(StorageObjectTest, NamesTheArgumentThatDoesNotFit) {
    run(&StorageObjectTest::bad_arguments);
}

}  // namespace
}  // namespace s4::gate
