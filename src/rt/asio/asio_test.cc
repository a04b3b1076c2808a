#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <csignal>

#include "base/scratch_folder_test.h"
#include "rt/asio/backend.h"
#include "rt/scope.h"

namespace s4::rt::asio {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AsioTest : public ::testing::Test {
  protected:
    std::string path(const std::string& name) const { return folder_.file(name); }
    Runtime& runtime() { return backend_.runtime(); }

    ScratchFolder folder_;
    Backend backend_{2};
    Context ctx_;
};

Task<void> echo(const Context& ctx, std::unique_ptr<Stream> stream) {
    ByteBuffer buffer(8 * 1024);
    for (;;) {
        const auto got = co_await stream->read_some(ctx, buffer);
        if (!got || *got == 0) break;
        if (!co_await stream->write_all(ctx, ByteView(buffer).first(*got))) break;
    }
    (void)co_await stream->shutdown_write(ctx);
}

Task<void> echo_once(const Context& ctx, Listener& listener) {
    auto stream = co_await listener.accept(ctx);
    if (stream) co_await echo(ctx, std::move(*stream));
}

Task<void> send_all(const Context& ctx, Stream& stream, ByteView bytes, Result<void>& out) {
    const ByteView parts[] = {bytes.first(1), {}, bytes.subspan(1)};
    out = co_await stream.write(ctx, parts);
    if (out) out = co_await stream.shutdown_write(ctx);
}

Task<void> round_trip(const Context& ctx, Listener& listener, Stream& stream, ByteView bytes,
                      ByteBuffer& back) {
    Scope scope(ctx);
    scope.spawn(echo_once(scope.context(), listener));
    Result<void> sent = ok();
    scope.spawn(send_all(scope.context(), stream, bytes, sent));
    ByteBuffer buffer(64 * 1024);
    for (;;) {
        const auto got = co_await stream.read_some(ctx, buffer);
        if (!got || *got == 0) break;
        append(back, ByteView(buffer).first(*got));
    }
    co_await scope.join();
    EXPECT_TRUE(sent.has_value());
}

Task<void> tcp_round_trip(const Context& ctx, Runtime& runtime, ByteView bytes, ByteBuffer& back) {
    auto listener = runtime.network.listen({"127.0.0.1", 0});
    auto stream = co_await runtime.network.connect(ctx, (*listener)->local());
    EXPECT_TRUE(stream.has_value());
    co_await round_trip(ctx, **listener, **stream, bytes, back);
}

TEST_F(AsioTest, TcpCarriesMoreThanItsBuffersInBothDirections) {
    ByteBuffer bytes(8 * kMiB);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::uint8_t>(i * 2654435761u >> 24);
    ByteBuffer back;
    backend_.run(tcp_round_trip(ctx_, runtime(), bytes, back));
    EXPECT_TRUE(bytes == back);
}

Task<void> local_round_trip(const Context& ctx, Runtime& runtime, std::string path,
                            ByteBuffer& back) {
    auto listener = runtime.network.listen_local(path);
    EXPECT_TRUE(listener.has_value());
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    auto stream = co_await runtime.network.connect_local(ctx, path);
    EXPECT_TRUE(stream.has_value());
    co_await round_trip(ctx, **listener, **stream, as_bytes("hello"), back);
}

TEST_F(AsioTest, LocalSocketsArePrivateAndTheirPathMayBeLong) {
    const std::string deep = path(std::string(100, 'a'));
    ASSERT_TRUE(runtime().files.make_directories(deep).has_value());
    ByteBuffer back;
    backend_.run(local_round_trip(ctx_, runtime(), deep + "/control.sock", back));
    EXPECT_EQ(as_text(back), "hello");
}

Task<void> read_until_deadline(const Context& ctx, Runtime& runtime, Result<std::size_t>& out) {
    auto listener = runtime.network.listen({"127.0.0.1", 0});
    auto stream = co_await runtime.network.connect(ctx, (*listener)->local());
    ByteBuffer buffer(16);
    out = co_await (*stream)->read_some(ctx.until(runtime.reactor.now() + 10ms), buffer);
}

TEST_F(AsioTest, AReadEndsAtItsDeadline) {
    Result<std::size_t> out = 0;
    backend_.run(read_until_deadline(ctx_, runtime(), out));
    ASSERT_FALSE(out.has_value());
    EXPECT_EQ(out.error().kind(), ErrorKind::timeout);
}

Task<void> read_into(const Context& ctx, Stream& stream, std::optional<Result<std::size_t>>& out) {
    ByteBuffer buffer(16);
    out.emplace(co_await stream.read_some(ctx, buffer));
}

Task<void> abort_while_reading(const Context& ctx, Runtime& runtime,
                               std::optional<Result<std::size_t>>& mine,
                               std::optional<Result<std::size_t>>& theirs) {
    auto listener = runtime.network.listen({"127.0.0.1", 0});
    auto stream = co_await runtime.network.connect(ctx, (*listener)->local());
    auto accepted = co_await (*listener)->accept(ctx);
    Scope scope(ctx);
    scope.spawn(read_into(scope.context(), **stream, mine));
    scope.spawn(read_into(scope.context(), **accepted, theirs));
    (*stream)->abort();
    co_await scope.join();
}

TEST_F(AsioTest, AbortEndsWhatIsUnderWayOnBothSides) {
    std::optional<Result<std::size_t>> mine;
    std::optional<Result<std::size_t>> theirs;
    backend_.run(abort_while_reading(ctx_, runtime(), mine, theirs));
    EXPECT_EQ(mine->error().kind(), ErrorKind::closed);
    EXPECT_EQ(theirs->error().kind(), ErrorKind::closed);
}

Task<void> cancel_one_of_two(const Context& ctx, Runtime& runtime, Result<std::size_t>& read,
                             Result<void>& written) {
    auto listener = runtime.network.listen({"127.0.0.1", 0});
    auto stream = co_await runtime.network.connect(ctx, (*listener)->local());
    auto peer = co_await (*listener)->accept(ctx);
    Scope reading(ctx);
    Scope writing(ctx);
    std::optional<Result<std::size_t>> got;
    reading.spawn(read_into(reading.context(), **stream, got));
    const ByteBuffer much(16 * kMiB);
    writing.spawn(send_all(writing.context(), **stream, much, written));
    reading.cancel();
    co_await reading.join();
    read = *got;
    ByteBuffer sink(1 * kMiB);
    std::size_t total = 0;
    while (total < much.size()) {
        const auto some = co_await (*peer)->read_some(ctx, sink);
        if (!some || *some == 0) break;
        total += *some;
    }
    co_await writing.join();
    EXPECT_EQ(total, much.size());
}

TEST_F(AsioTest, CancellingAReadLeavesTheWriteBesideItAlone) {
    Result<std::size_t> read = 0;
    Result<void> written = ok();
    backend_.run(cancel_one_of_two(ctx_, runtime(), read, written));
    EXPECT_EQ(read.error().kind(), ErrorKind::cancelled);
    EXPECT_TRUE(written.has_value());
}

TEST_F(AsioTest, ATakenPortIsNamed) {
    auto first = runtime().network.listen({"127.0.0.1", 0});
    ASSERT_TRUE(first.has_value());
    const auto second = runtime().network.listen((*first)->local());
    ASSERT_FALSE(second.has_value());
    EXPECT_TRUE(second.error().is("rt.address_in_use"));
    EXPECT_THAT(second.error().message(), HasSubstr((*first)->local().to_string()));
    EXPECT_TRUE(runtime().network.listen({"192.0.2.1", 0}).error().is("rt.address_unusable"));
}

Task<void> connect_to(const Context& ctx, Runtime& runtime, Endpoint to,
                      std::optional<Error>& out) {
    auto stream = co_await runtime.network.connect(ctx, to);
    if (!stream) out = stream.error();
}

TEST_F(AsioTest, AnUnreachablePeerIsNamed) {
    Endpoint free_port;
    {
        auto listener = runtime().network.listen({"127.0.0.1", 0});
        free_port = (*listener)->local();
    }
    std::optional<Error> error;
    backend_.run(connect_to(ctx_, runtime(), free_port, error));
    ASSERT_TRUE(error.has_value());
    EXPECT_TRUE(error->is("rt.unreachable"));
}

Task<void> sleep_in_order(Reactor& reactor, const Context& ctx, std::vector<int>& order) {
    const TimerId never = reactor.call_at(reactor.now() + 5ms, [&] { order.push_back(99); });
    reactor.call_at(reactor.now() + 20ms, [&] { order.push_back(2); });
    reactor.call_at(reactor.now() + 10ms, [&] { order.push_back(1); });
    reactor.cancel(never);
    (void)co_await sleep(reactor, ctx, 30ms);
    order.push_back(3);
}

TEST_F(AsioTest, TimersFireInOrderAndNotWhenCancelled) {
    std::vector<int> order;
    backend_.run(sleep_in_order(runtime().reactor, ctx_, order));
    EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

Task<void> run_jobs(Runtime& runtime, std::vector<int>& order) {
    for (int i = 0; i < 3; ++i)
        order.push_back(co_await run_on(runtime.writer, runtime.reactor, [i] { return i; }));
}

TEST_F(AsioTest, PoolWorkReturnsToTheReactor) {
    std::vector<int> order;
    backend_.run(run_jobs(runtime(), order));
    EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

Task<void> wait_for_signal(Backend& backend, bool& came) {
    Event terminate(backend.runtime().reactor);
    backend.on_terminate([&] { terminate.set(); });
    ::raise(SIGTERM);
    const Context ctx;
    came = (co_await terminate.wait(ctx)).has_value();
}

TEST_F(AsioTest, SigtermIsToldOnTheReactor) {
    bool came = false;
    backend_.run(wait_for_signal(backend_, came));
    EXPECT_TRUE(came);
}

TEST_F(AsioTest, FilesReadWhatTheyWroteAndNameWhatFails) {
    Files& files = runtime().files;
    ASSERT_TRUE(files.make_directories(path("a/b/c")).has_value());
    ASSERT_TRUE(files.make_directories(path("a/b/c")).has_value());
    ASSERT_TRUE(replace_file(files, path("a/f"), as_bytes("content")).has_value());
    EXPECT_EQ(as_text(*read_file(files, path("a/f"), 7)), "content");
    EXPECT_TRUE(read_file(files, path("a/f"), 6).error().is("files.too_large"));
    EXPECT_THAT(*files.list(path("a")), ElementsAre("b", "f"));
    EXPECT_EQ(files.open(path("a/f"), OpenMode::create_new).error().kind(), ErrorKind::conflict);
    EXPECT_EQ(files.open(path("a/none"), OpenMode::read).error().kind(), ErrorKind::not_found);
    EXPECT_EQ(files.make_directories(path("a/f")).error().kind(), ErrorKind::not_found);
    EXPECT_EQ(files.info(path("a/f"))->size, 7u);
    EXPECT_EQ(files.remove_directory(path("a/b")).error().kind(), ErrorKind::conflict);
    EXPECT_GT(*files.free_bytes(path("a")), 0u);
    auto file = files.open(path("a/f"), OpenMode::write);
    ASSERT_TRUE((*file)->write_at(10, as_bytes("x")).has_value());
    ByteBuffer hole(20);
    EXPECT_EQ(*(*file)->read_at(5, hole), 6u);
    EXPECT_EQ(hole[2], 0);
}

// How much is in memory is the system's affair, and some file systems do not tell.
TEST_F(AsioTest, WhatIsReadFromMemoryAloneIsTheFilesFront) {
    Files& files = runtime().files;
    ASSERT_TRUE(replace_file(files, path("f"), as_bytes("content")).has_value());
    const auto file = files.open(path("f"), OpenMode::read);
    ByteBuffer room(20);
    const std::size_t got = (*file)->read_cached(3, room);
    EXPECT_EQ(as_text(ByteView(room).first(got)), std::string_view("tent").substr(0, got));
    EXPECT_EQ((*file)->read_cached(7, room), 0u);
}

TEST_F(AsioTest, ALockIsHeldByOne) {
    auto first = runtime().files.lock(path("lock"));
    ASSERT_TRUE(first.has_value());
    EXPECT_TRUE(runtime().files.lock(path("lock")).error().is("files.locked"));
    first->reset();
    EXPECT_TRUE(runtime().files.lock(path("lock")).has_value());
}

}  // namespace
}  // namespace s4::rt::asio
