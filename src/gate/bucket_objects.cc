#include "gate/bucket_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gate/answer_bytes.h"
#include "gate/limits.h"

namespace s4::gate {

namespace pf = proto::foolscap;
using wire::bad_argument;
using Lane = Turnstile::Lane;

BucketWriter::BucketWriter(StorageSession& session, storage::UploadKey key, std::uint64_t size)
    : session_(session), key_(key), size_(size), turn_(session.connection.reactor(), 1) {}

pf::ArgumentMode BucketWriter::argument_mode(std::string_view method) const {
    if (method == "write") return pf::ArgumentMode::streamed;
    const bool known = method == "close" || method == "abort";
    return known ? pf::ArgumentMode::whole : pf::ArgumentMode::refused;
}

rt::Task<BucketWriter::Answer> BucketWriter::call(const rt::Context& ctx, std::string method,
                                                  pf::Arguments arguments) {
    if (method == "write" && arriving_)
        co_return co_await write_arrived(ctx, StorageArguments(arguments),
                                         *std::exchange(arriving_, std::nullopt));
    if (method == "write") co_return co_await write(ctx, StorageArguments(arguments));
    if (method == "close") co_return co_await close(ctx);
    co_return co_await abort(ctx);
}

// Calls to a writer take turns from their first byte on, so that they happen in the order in which
// they came.
rt::Task<void> BucketWriter::stream_began(const rt::Context& ctx, pf::StreamBegan stream) {
    if (arriving_) {
        arriving_->error = Error(ErrorKind::invalid, "gate.two_strings", "a write has one string");
        co_return;
    }
    auto turn = co_await turn_.acquire(ctx);
    if (!turn) co_return;  // cancelled: the connection is gone, no call will come
    Arriving arriving;
    arriving.stream = stream.stream;
    arriving.size = stream.size;
    const pf::Value* offset = stream.preceding.find(0, "offset");
    if (auto begun = co_await begin(ctx, offset ? offset->as_u64() : std::nullopt, arriving);
        !begun)
        arriving.error = std::move(begun).error();
    arriving_ = std::move(arriving);
}

rt::Task<Result<void>> BucketWriter::begin(const rt::Context& ctx,
                                           std::optional<std::uint64_t> offset,
                                           Arriving& arriving) {
    if (offset) {
        arriving.write = CO_TRY(
            co_await session_.engine.begin_write(ctx, key_, session_.id, *offset, arriving.size));
    } else if (arriving.size > size_) {
        co_return fail(ErrorKind::too_large, "storage.write_past_end", "longer than the share");
    } else {
        arriving.staging = session_.engine.stage();
    }
    co_return ok();
}

rt::Task<void> BucketWriter::stream_piece(const rt::Context& ctx, pf::StreamId, ByteView bytes) {
    if (!arriving_ || arriving_->error) co_return;
    auto appended = co_await session_.turnstile.spend(ctx, session_.grid, bytes.size());
    if (appended)
        appended =
            co_await session_.in_turn(ctx, Lane::write,
                                      arriving_->write ? arriving_->write->append(ctx, bytes)
                                                       : arriving_->staging->append(ctx, bytes));
    if (!appended) arriving_->error = std::move(appended).error();
}

void BucketWriter::streams_broken(pf::StreamId) {
    if (!std::exchange(arriving_, std::nullopt)) return;
    turn_.release();
}

rt::Task<BucketWriter::Answer> BucketWriter::write_arrived(const rt::Context& ctx,
                                                           StorageArguments arguments,
                                                           Arriving arriving) {
    const auto offset = arguments.number(0, "offset");
    const pf::Value* data = arguments.find(1, "data");
    const auto* streamed = data == nullptr ? nullptr : data->as_streamed();
    Result<void> done = ok();
    if (arriving.error) {
        done = fail(*arriving.error);
    } else if (offset && streamed != nullptr && streamed->stream == arriving.stream) {
        done = co_await finish(ctx, *offset, arriving);
    }
    arriving.write.reset();
    note(done);
    turn_.release();
    if (!offset) co_return std::unexpected(offset.error());
    if (streamed == nullptr || streamed->stream != arriving.stream)
        co_return bad_argument("data", "not a bytestring");
    co_return answer(done, *offset, arriving.size);
}

rt::Task<Result<void>> BucketWriter::finish(const rt::Context& ctx, std::uint64_t offset,
                                            Arriving& arriving) {
    if (!arriving.write) {
        arriving.write = CO_TRY(
            co_await session_.engine.begin_write(ctx, key_, session_.id, offset, arriving.size));
        ByteBuffer piece;
        for (std::uint64_t at = 0; at < arriving.size; at += piece.size()) {
            piece.resize(static_cast<std::size_t>(
                std::min<std::uint64_t>(arriving.size - at, kReadPieceBytes)));
            CO_TRY(co_await session_.in_turn(ctx, Lane::write,
                                             arriving.staging->read(ctx, at, piece)));
            CO_TRY(co_await session_.in_turn(ctx, Lane::write, arriving.write->append(ctx, piece)));
        }
    }
    CO_TRY(co_await session_.in_turn(ctx, Lane::write, arriving.write->finish(ctx)));
    co_return ok();
}

rt::Task<BucketWriter::Answer> BucketWriter::write(const rt::Context& ctx,
                                                   StorageArguments arguments) {
    const auto offset = arguments.number(0, "offset");
    if (!offset) co_return std::unexpected(offset.error());
    const pf::Value* data = arguments.find(1, "data");
    const auto bytes = data == nullptr ? std::nullopt : data->as_bytes();
    if (!bytes) co_return bad_argument("data", "not a bytestring");
    const auto turn = co_await turn_.acquire(ctx);
    if (!turn) co_return std::unexpected(storage_failure(session_, turn.error()));
    const auto done = co_await write_small(ctx, *offset, *bytes);
    note(done);
    turn_.release();
    co_return answer(done, *offset, bytes->size());
}

rt::Task<Result<void>> BucketWriter::write_small(const rt::Context& ctx, std::uint64_t offset,
                                                 ByteView bytes) {
    if (over_) co_return fail(ErrorKind::not_found, "storage.no_such_upload", "the upload is over");
    CO_TRY(co_await session_.turnstile.spend(ctx, session_.grid, bytes.size()));
    CO_TRY(co_await session_.in_turn(ctx, Lane::write,
                                     session_.engine.write(ctx, key_, session_.id, offset, bytes)));
    co_return ok();
}

BucketWriter::Answer BucketWriter::answer(const Result<void>& result, std::uint64_t offset,
                                          std::uint64_t size) const {
    if (result) return pf::Value::none();
    // The reference prints the three numbers.
    if (result.error().is("storage.write_past_end"))
        return std::unexpected(pf::Failure::make("allmydata.interfaces.DataTooLargeError",
                                                 fmt::format("({}, {}, {})", size_, offset, size)));
    return std::unexpected(storage_failure(session_, result.error()));
}

rt::Task<BucketWriter::Answer> BucketWriter::close(const rt::Context& ctx) {
    const auto turn = co_await turn_.acquire(ctx);
    if (!turn) co_return std::unexpected(storage_failure(session_, turn.error()));
    if (over_) {
        turn_.release();
        co_return std::unexpected(pf::Failure::make("builtins.AssertionError", "precondition"));
    }
    if (broken_) {
        over_ = true;
        (void)co_await session_.engine.abort_upload(ctx, key_, session_.id);
        turn_.release();
        co_return std::unexpected(storage_failure(
            session_, Error(ErrorKind::unavailable, "storage.upload_broken", "a write failed")));
    }
    const auto closed = co_await session_.in_turn(
        ctx, Lane::write, session_.engine.finish_upload(ctx, key_, session_.id));
    if (closed) over_ = true;
    turn_.release();
    co_return answer(closed, 0, 0);
}

// A client sends its close before it has the answers to its writes: one of them that failed here
// must not become a hole in a share. What the client itself did wrong is its own affair.
void BucketWriter::note(const Result<void>& written) {
    if (written) return;
    const ErrorKind kind = written.error().kind();
    broken_ = broken_ || kind == ErrorKind::io || kind == ErrorKind::no_space ||
              kind == ErrorKind::unavailable || kind == ErrorKind::timeout;
}

// Harmless after a close and when repeated, as in the reference.
rt::Task<BucketWriter::Answer> BucketWriter::abort(const rt::Context& ctx) {
    const auto turn = co_await turn_.acquire(ctx);
    if (!turn) co_return std::unexpected(storage_failure(session_, turn.error()));
    if (!std::exchange(over_, true)) {
        const auto aborted = co_await session_.engine.abort_upload(ctx, key_, session_.id);
        (void)aborted;  // it may have ended by itself
    }
    turn_.release();
    co_return pf::Value::none();
}

pf::ArgumentMode BucketReader::argument_mode(std::string_view method) const {
    const bool known = method == "read" || method == "advise_corrupt_share";
    return known ? pf::ArgumentMode::whole : pf::ArgumentMode::refused;
}

rt::Task<BucketReader::Answer> BucketReader::call(const rt::Context& ctx, std::string method,
                                                  pf::Arguments arguments) {
    const StorageArguments named(arguments);
    if (method == "read") co_return co_await read(ctx, named);
    auto reason = named.text(0, "reason", storage::kAdvisoryReasonBytesMax);
    if (!reason) co_return std::unexpected(std::move(reason).error());
    const auto advised = co_await session_.in_turn(
        ctx, Lane::write,
        session_.engine.advise_corrupt(ctx, session_.grid, index_, reader_->share(),
                                       storage::ShareKind::immutable, *std::move(reason)));
    if (!advised && !advised.error().is("storage.no_such_share"))
        co_return std::unexpected(storage_failure(session_, advised.error()));
    co_return pf::Value::none();
}

// Clipped at the end of the share.
rt::Task<BucketReader::Answer> BucketReader::read(const rt::Context& ctx,
                                                  StorageArguments arguments) {
    const auto offset = arguments.number(0, "offset");
    if (!offset) co_return std::unexpected(offset.error());
    const auto length = arguments.number(1, "length");
    if (!length) co_return std::unexpected(length.error());
    const std::uint64_t begin = std::min(*offset, reader_->length());
    const std::uint64_t size = std::min(*length, reader_->length() - begin);
    std::vector<storage::Extract> wanted{{reader_, {begin, size}}};
    auto bytes = co_await answer_bytes(ctx, session_, std::move(wanted));
    if (!bytes) co_return std::unexpected(storage_failure(session_, bytes.error()));
    co_return std::move(bytes->front());
}

}  // namespace s4::gate
