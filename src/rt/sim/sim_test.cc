#include <gtest/gtest.h>
#include <openssl/rand.h>
#include <sodium.h>

#include <array>

#include "rt/files.h"
#include "rt/scope.h"
#include "rt/sim/world.h"

namespace s4::rt::sim {
namespace {

using namespace std::chrono_literals;

ByteBuffer bytes_of(std::size_t size, std::uint8_t fill) {
    return ByteBuffer(size, fill);
}

// The file's content after a crash, read by the next process.
ByteBuffer content(Machine& machine, const std::string& path) {
    return read_file(machine.boot().runtime().files, path, kMiB).value();
}

TEST(Disk, PowerLossKeepsWhatWasSyncedWhateverTheSeed) {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        World world(seed, {});
        Machine& machine = world.machine("m");
        Files& files = machine.boot().runtime().files;
        const auto file = files.open("a", OpenMode::create).value();
        ASSERT_TRUE(file->write_at(0, bytes_of(3000, 1)).has_value());
        ASSERT_TRUE(file->sync().has_value());
        ASSERT_TRUE(files.sync_directory(".").has_value());
        ASSERT_TRUE(file->write_at(1000, bytes_of(1000, 2)).has_value());
        machine.crash(Crash::power);
        const ByteBuffer after = content(machine, "a");
        ASSERT_EQ(after.size(), 3000u);
        for (std::size_t i = 0; i < after.size(); ++i) {
            const bool in_write = i >= 1000 && i < 2000;
            ASSERT_TRUE(after[i] == 1 || (in_write && after[i] == 2)) << i;
        }
    }
}

TEST(Disk, UnsyncedWritesAreSometimesLostKeptAndTornAtSectors) {
    bool lost = false;
    bool kept = false;
    bool torn = false;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        World world(seed, {});
        Machine& machine = world.machine("m");
        Files& files = machine.boot().runtime().files;
        const auto file = files.open("a", OpenMode::create).value();
        ASSERT_TRUE(file->write_at(0, bytes_of(1024, 1)).has_value());
        ASSERT_TRUE(file->sync().has_value());
        ASSERT_TRUE(files.sync_directory(".").has_value());
        ASSERT_TRUE(file->write_at(0, bytes_of(1024, 2)).has_value());
        machine.crash(Crash::power);
        const ByteBuffer after = content(machine, "a");
        ASSERT_EQ(after.size(), 1024u);
        for (const std::size_t sector : {0u, 512u})
            for (std::size_t i = 0; i < 512; ++i)
                ASSERT_EQ(after[sector + i], after[sector]) << "torn within a sector";
        lost |= after[0] == 1 && after[512] == 1;
        kept |= after[0] == 2 && after[512] == 2;
        torn |= after[0] != after[512];
    }
    EXPECT_TRUE(lost && kept && torn);
}

TEST(Disk, ANameIsSafeOnlyAfterItsFolderWasSynced) {
    bool lost = false;
    bool kept = false;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        World world(seed, {});
        Machine& machine = world.machine("m");
        Files& files = machine.boot().runtime().files;
        ASSERT_TRUE(files.make_directories("d").has_value());
        ASSERT_TRUE(files.sync_directory(".").has_value());
        ASSERT_TRUE(replace_file(files, "d/safe", as_bytes("safe")).has_value());
        const auto file = files.open("d/new", OpenMode::create_new).value();
        ASSERT_TRUE(file->write_at(0, as_bytes("new")).has_value());
        ASSERT_TRUE(file->sync().has_value());
        machine.crash(Crash::power);
        Files& after = machine.boot().runtime().files;
        EXPECT_EQ(to_string(read_file(after, "d/safe", 100).value()), "safe");
        (after.info("d/new").has_value() ? kept : lost) = true;
    }
    EXPECT_TRUE(lost && kept);
}

TEST(Disk, ProcessDeathKeepsWhatWasWritten) {
    World world(1, {});
    Machine& machine = world.machine("m");
    Files& files = machine.boot().runtime().files;
    const auto file = files.open("a", OpenMode::create).value();
    ASSERT_TRUE(file->write_at(0, as_bytes("hello")).has_value());
    machine.crash(Crash::process);
    EXPECT_EQ(to_string(content(machine, "a")), "hello");
    EXPECT_TRUE(file->write_at(0, as_bytes("ghost")).error().is("files.crashed"));
}

TEST(Disk, RefusesWhatDoesNotFitAndTakesItOnceThereIsRoom) {
    World world(1, {.disk_bytes = 1000});
    Files& files = world.machine("m").boot().runtime().files;
    const auto file = files.open("a", OpenMode::create).value();
    EXPECT_TRUE(file->write_at(0, bytes_of(1000, 1)).has_value());
    EXPECT_EQ(file->write_at(1000, bytes_of(1, 1)).error().kind(), ErrorKind::no_space);
    EXPECT_TRUE(file->truncate(500).has_value());
    EXPECT_TRUE(file->write_at(500, bytes_of(500, 1)).has_value());
    EXPECT_TRUE(files.remove("a").has_value());
    EXPECT_EQ(files.free_bytes(".").value(), 1000u);
}

TEST(Disk, RenameReplacesAndListIsSorted) {
    World world(1, {});
    Files& files = world.machine("m").boot().runtime().files;
    ASSERT_TRUE(files.make_directories("x/y").has_value());
    for (const char* name : {"x/b", "x/a", "x/y/c"})
        ASSERT_TRUE(files.open(name, OpenMode::create_new).has_value());
    EXPECT_EQ(files.list("x").value(), (std::vector<std::string>{"a", "b", "y"}));
    ASSERT_TRUE(files.rename("x/y/c", "x/b").has_value());
    EXPECT_EQ(files.list("x/y").value().size(), 0u);
    ASSERT_TRUE(files.remove_directory("x/y").has_value());
    EXPECT_EQ(files.list("x").value(), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(files.open("x/a", OpenMode::create_new).error().is("files.exists"));
    EXPECT_TRUE(files.open("x/q", OpenMode::read).error().is("files.not_found"));
}

TEST(Process, CrashesAtTheFileCallItWasToldTo) {
    World world(1, {});
    Machine& machine = world.machine("m");
    Process& process = machine.boot();
    process.crash_at_file_call(3, Crash::process);
    Files& files = process.runtime().files;
    const auto file = files.open("a", OpenMode::create).value();
    EXPECT_TRUE(file->write_at(0, as_bytes("x")).has_value());
    EXPECT_FALSE(file->sync().has_value());
    EXPECT_FALSE(process.alive());
    world.run_for(1s);
    EXPECT_TRUE(process.context().cancel.cancelled());
}

// -- the network --

Task<void> echo_once(Runtime& runtime, Context ctx) {
    auto listener = runtime.network.listen({"0.0.0.0", 80}).value();
    auto stream = co_await listener->accept(ctx);
    if (!stream) co_return;
    ByteBuffer buffer(1000);
    for (;;) {
        const auto size = co_await (*stream)->read_some(ctx, buffer);
        if (!size || *size == 0) break;
        if (!co_await (*stream)->write_all(ctx, ByteView(buffer).first(*size))) co_return;
    }
    (void)co_await (*stream)->shutdown_write(ctx);
}

Task<void> send_all(Stream& stream, Context ctx, ByteView bytes) {
    (void)co_await stream.write_all(ctx, bytes);
    (void)co_await stream.shutdown_write(ctx);
}

Task<void> ask(Runtime& runtime, Context ctx, ByteView question, std::optional<Result<void>>& ended,
               ByteBuffer& answer) {
    auto stream = co_await runtime.network.connect(ctx, {"server", 80});
    if (!stream) {
        ended = fail(stream.error());
        co_return;
    }
    Scope scope(ctx);
    scope.spawn(send_all(**stream, scope.context(), question));
    ByteBuffer buffer(700);
    for (;;) {
        const auto size = co_await (*stream)->read_some(ctx, buffer);
        if (!size) ended = fail(size.error());
        if (size && *size == 0) ended = ok();
        if (ended) break;
        append(answer, ByteView(buffer).first(*size));
    }
    scope.cancel();
    co_await scope.join();
}

struct Asked {
    std::optional<Result<void>> ended;
    ByteBuffer answer;
    std::uint64_t hash = 0;
};

Asked run_echo(std::uint64_t seed, ByteView question, double reset_chance) {
    World world(seed, {.reset_chance = reset_chance, .reset_within = 100ms});
    Asked out;
    Process& server = world.machine("server").boot();
    server.spawn(echo_once(server.runtime(), server.context()));
    Process& client = world.machine("client").boot();
    client.spawn(ask(client.runtime(), client.context(), question, out.ended, out.answer));
    world.run_for(60s);
    out.hash = world.trace_hash();
    return out;
}

TEST(Network, CarriesEveryByteInOrderThroughBoundedBuffers) {
    ByteBuffer question(300'000);
    for (std::size_t i = 0; i < question.size(); ++i)
        question[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    const Asked asked = run_echo(5, question, 0);
    ASSERT_TRUE(asked.ended.has_value());
    EXPECT_TRUE(asked.ended->has_value());
    EXPECT_TRUE(equal(asked.answer, question));
}

TEST(Network, ResetsReachTheReader) {
    std::size_t resets = 0;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        const Asked asked = run_echo(seed, bytes_of(1'000'000, 7), 1);
        ASSERT_TRUE(asked.ended.has_value());
        resets += asked.ended->has_value() ? 0 : 1;
    }
    EXPECT_GT(resets, 0u);
}

TEST(Network, AWriterWaitsForASlowReader) {
    World world(1, {.window_bytes = 1000});
    Process& server = world.machine("server").boot();
    Process& client = world.machine("client").boot();
    std::unique_ptr<Listener> listener = server.runtime().network.listen({"0.0.0.0", 80}).value();
    struct Ends {
        std::unique_ptr<Stream> sender;
        bool written = false;
    } ends;
    client.spawn([](Process& self, Ends& out) -> Task<void> {
        out.sender =
            (co_await self.runtime().network.connect(self.context(), {"server", 80})).value();
        (void)co_await out.sender->write_all(self.context(), ByteBuffer(1001, 1));
        out.written = true;
    }(client, ends));
    world.run_for(60s);
    EXPECT_FALSE(ends.written);
    world.end();
    EXPECT_TRUE(ends.written);  // with an error
    listener.reset();
}

TEST(Network, ConnectingToNobodyFails) {
    World world(1, {});
    Process& client = world.machine("client").boot();
    std::optional<Result<void>> ended;
    ByteBuffer answer;
    client.spawn(ask(client.runtime(), client.context(), as_bytes("x"), ended, answer));
    world.run_for(1s);
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(ended->error().is("rt.unreachable"));
}

TEST(Network, ThePeerOfADeadProcessIsTold) {
    World world(1, {});
    Machine& server = world.machine("server");
    Process& first = server.boot();
    first.spawn([](Process& self) -> Task<void> {
        auto listener = self.runtime().network.listen({"0.0.0.0", 80}).value();
        auto stream = co_await listener->accept(self.context());
        (void)co_await sleep(self.runtime().reactor, self.context(), 1h);
    }(first));
    Process& client = world.machine("client").boot();
    std::optional<Result<void>> ended;
    ByteBuffer answer;
    client.spawn(ask(client.runtime(), client.context(), as_bytes("x"), ended, answer));
    world.run_for(1s);
    EXPECT_FALSE(ended.has_value());
    server.crash(Crash::process);
    world.run_for(1s);
    ASSERT_TRUE(ended.has_value());
    EXPECT_EQ(ended->error().kind(), ErrorKind::closed);
}

TEST(Network, NothingArrivesWhileMachinesAreCutOff) {
    World world(1, {});
    world.fabric().cut("server", "client", world.now() + 10s);
    Process& server = world.machine("server").boot();
    server.spawn(echo_once(server.runtime(), server.context()));
    Process& client = world.machine("client").boot();
    std::optional<Result<void>> ended;
    ByteBuffer answer;
    client.spawn(ask(client.runtime(), client.context(), as_bytes("x"), ended, answer));
    world.run_for(9s);
    EXPECT_FALSE(ended.has_value());
    world.run_for(5s);
    EXPECT_TRUE(ended.has_value());
}

// -- chance and time --

TEST(World, TheSameSeedIsTheSameRun) {
    const ByteBuffer question(100'000, 3);
    const Asked first = run_echo(11, question, 0.5);
    const Asked again = run_echo(11, question, 0.5);
    const Asked other = run_echo(12, question, 0.5);
    EXPECT_EQ(first.hash, again.hash);
    EXPECT_NE(first.hash, other.hash);
}

TEST(Entropy, OpenSslAndSodiumDrawFromTheSeed) {
    const auto draw = [](std::uint64_t seed) {
        World world(seed, {});
        std::array<std::uint8_t, 48> out{};
        EXPECT_EQ(RAND_bytes(out.data(), 16), 1);
        EXPECT_EQ(RAND_priv_bytes(out.data() + 16, 16), 1);
        randombytes_buf(out.data() + 32, 16);
        return out;
    };
    EXPECT_EQ(draw(3), draw(3));
    EXPECT_NE(draw(3), draw(4));
}

TEST(Pool, AWritersJobsKeepTheirOrderAndAPoolsDoNot) {
    bool reordered = false;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        World world(seed, {});
        Runtime& runtime = world.machine("m").boot().runtime();
        std::vector<int> writer;
        std::vector<int> pool;
        for (int i = 0; i < 10; ++i) {
            runtime.writer.submit(
                [&, i] { runtime.reactor.post([&, i] { writer.push_back(i); }); });
            runtime.pool.submit([&, i] { pool.push_back(i); });
        }
        world.run_for(10s);
        EXPECT_TRUE(std::is_sorted(writer.begin(), writer.end()));
        reordered |= !std::is_sorted(pool.begin(), pool.end());
        EXPECT_EQ(writer.size(), 10u);
        EXPECT_EQ(pool.size(), 10u);
    }
    EXPECT_TRUE(reordered);
}

}  // namespace
}  // namespace s4::rt::sim
