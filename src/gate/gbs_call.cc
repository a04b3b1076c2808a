#include "gate/gbs_call.h"

#include <algorithm>

#include "base/check.h"
#include "gate/gbs_status.h"
#include "gate/limits.h"
#include "proto/gbs/headers.h"
#include "proto/gbs/messages.h"
#include "proto/http1/message.h"

namespace s4::gate {

namespace gbs = proto::gbs;
using gbs::Answer;
using gbs::Route;
using storage::ShareKind;

rt::Task<void> send_answer(const rt::Context& ctx, wire::HttpResponse& response, Answer answer) {
    response.status(answer.status);
    if (!answer.content_type.empty()) response.field("Content-Type", answer.content_type);
    if (!answer.allow.empty()) response.field("Allow", answer.allow);
    (void)co_await response.send(ctx, answer.body);
}

GbsCall::GbsCall(const rt::Context& ctx, GridId grid, gbs::Request admitted,
                 storage::Engine& engine, Turnstile& turnstile, wire::HttpRequest& request,
                 wire::HttpResponse& response, std::string_view application_version)
    : ctx_(ctx),
      grid_(grid),
      admitted_(std::move(admitted)),
      index_{.bytes = admitted_.target.index},
      engine_(engine),
      turnstile_(turnstile),
      request_(request),
      response_(response),
      application_version_(application_version) {}

rt::Task<void> GbsCall::answer() {
    auto outcome = co_await serve();
    rest();
    // One commit makes many answers ready at once; they leave grid by grid.
    if (!only_reads()) (void)co_await turnstile_.pass(ctx_, grid_);
    std::optional<Answer> answer =
        outcome ? std::move(*outcome) : answer_of(admitted_.target.route, outcome.error());
    // An answer that failed on its way is not begun again: the connection ends, which tells the
    // peer.
    if (answer && !response_.begun()) co_await send_answer(ctx_, response_, std::move(*answer));
}

[[clang::coro_wrapper]] rt::Task<GbsCall::Outcome> GbsCall::serve() {
    switch (admitted_.target.route) {
        case Route::version:
            return version();
        case Route::lease:
            return lease();
        case Route::allocate:
            return allocate();
        case Route::write:
            return write();
        case Route::abort:
            return abort();
        case Route::immutable_shares:
            return list(ShareKind::immutable);
        case Route::immutable_read:
            return read(ShareKind::immutable);
        case Route::immutable_corrupt:
            return corrupt(ShareKind::immutable);
        case Route::read_test_write:
            return read_test_write();
        case Route::mutable_shares:
            return list(ShareKind::mutable_);
        case Route::mutable_read:
            return read(ShareKind::mutable_);
        case Route::mutable_corrupt:
            return corrupt(ShareKind::mutable_);
    }
    UNREACHABLE("every route is served");
}

bool GbsCall::only_reads() const {
    const Route route = admitted_.target.route;
    return route == Route::version || route == Route::immutable_shares ||
           route == Route::mutable_shares || gbs::answers_bytes(route);
}

rt::Task<Result<void>> GbsCall::work() {
    if (turn_) co_return ok();
    const auto lane = only_reads() ? Turnstile::Lane::read : Turnstile::Lane::write;
    turn_.emplace(CO_TRY(co_await turnstile_.enter(ctx_, grid_, lane)));
    co_return ok();
}

rt::Task<Result<ByteView>> GbsCall::next_piece() {
    rest();
    const ByteView piece = CO_TRY(co_await request_.next_piece(ctx_));
    CO_TRY(co_await turnstile_.spend(ctx_, grid_, piece.size()));
    CO_TRY(co_await work());
    co_return piece;
}

rt::Task<Result<ByteBuffer>> GbsCall::read_body(std::size_t bytes_max) {
    rest();
    ByteBuffer body = CO_TRY(co_await request_.read_body(ctx_, bytes_max));
    CO_TRY(co_await work());
    co_return body;
}

rt::Task<Result<void>> GbsCall::send_piece(ByteView bytes) {
    rest();
    CO_TRY(co_await turnstile_.spend(ctx_, grid_, bytes.size()));
    while (!bytes.empty()) {
        const ByteView now = bytes.first(std::min(bytes.size(), kSendBytesMax));
        CO_TRY(co_await response_.write(ctx_, now));
        bytes = bytes.subspan(now.size());
        if (!bytes.empty()) CO_TRY(co_await turnstile_.pass(ctx_, grid_));
    }
    co_return ok();
}

bool GbsCall::is_head() const {
    return request_.head().method == proto::http1::Method::head;
}

storage::LeaseSecrets GbsCall::lease_secrets() const {
    return {*admitted_.secrets.lease_renew, *admitted_.secrets.lease_cancel};
}

storage::UploadKey GbsCall::upload_key() const {
    return {.grid = grid_, .index = index_, .share = admitted_.target.share};
}

storage::UploadOwner GbsCall::upload_owner() const {
    return *admitted_.secrets.upload;
}

// ---- the grid as a whole

rt::Task<GbsCall::Outcome> GbsCall::version() {
    CO_TRY(co_await work());
    const storage::Space space = CO_TRY(co_await engine_.space(ctx_, grid_));
    co_return gbs::cbor_answer(
        200,
        gbs::encode(gbs::VersionAnswer{.immutable_share_bytes_max = space.immutable_share_bytes_max,
                                       .mutable_share_bytes_max = space.mutable_share_bytes_max,
                                       .available_bytes = space.available_bytes,
                                       .application_version = std::string(application_version_)}));
}

rt::Task<GbsCall::Outcome> GbsCall::lease() {
    CO_TRY(co_await work());
    const std::size_t shares =
        CO_TRY(co_await engine_.add_lease(ctx_, grid_, index_, lease_secrets()));
    co_return gbs::empty_answer(shares == 0 ? 404 : 204);
}

rt::Task<GbsCall::Outcome> GbsCall::list(ShareKind kind) {
    CO_TRY(co_await work());
    const auto shares = CO_TRY(co_await engine_.list(ctx_, grid_, index_, kind));
    co_return gbs::cbor_answer(200, gbs::encode_share_list(shares));
}

rt::Task<GbsCall::Outcome> GbsCall::corrupt(ShareKind kind) {
    const Route route = admitted_.target.route;
    const ByteBuffer body = CO_TRY(co_await read_body(gbs::body_bytes_max(route)));
    std::string reason = CO_TRY(gbs::parse_reason(body));
    CO_TRY(co_await engine_.advise_corrupt(ctx_, grid_, index_, admitted_.target.share, kind,
                                           std::move(reason)));
    co_return gbs::empty_answer(200);
}

// ---- uploads

rt::Task<GbsCall::Outcome> GbsCall::allocate() {
    const ByteBuffer body = CO_TRY(co_await read_body(gbs::body_bytes_max(Route::allocate)));
    gbs::AllocateRequest asked = CO_TRY(gbs::parse_allocate_request(body));
    storage::AllocateRequest allocate{.index = index_,
                                      .secrets = lease_secrets(),
                                      .owner = upload_owner(),
                                      .shares = std::move(asked.shares),
                                      .size = asked.size};
    auto answer = CO_TRY(co_await engine_.allocate(ctx_, grid_, std::move(allocate)));
    co_return gbs::cbor_answer(
        200, gbs::encode(gbs::AllocateAnswer{.already_have = std::move(answer.already_have),
                                             .allocated = std::move(answer.allocated)}));
}

// The body goes to the engine as it comes. What is longer than the range is ignored, as Tahoe does.
rt::Task<Result<void>> GbsCall::append_body(storage::UploadWrite& write, std::uint64_t length) {
    std::uint64_t left = length;
    while (left > 0) {
        const ByteView piece = CO_TRY(co_await next_piece());
        if (piece.empty())
            co_return fail(ErrorKind::invalid, "gate.body_too_short",
                           "The body is shorter than Content-Range says");
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
        CO_TRY(co_await write.append(ctx_, piece.first(n)));
        left -= n;
    }
    co_return ok();
}

rt::Task<GbsCall::Outcome> GbsCall::write() {
    const gbs::Span span = *admitted_.span;
    const auto length = request_.head().content_length;
    if (length && *length < span.size())
        co_return fail(ErrorKind::invalid, "gate.body_too_short",
                       "The body is shorter than Content-Range says");
    // Not in a turn: it may wait for an earlier write, that needs one to go on.
    const auto write = CO_TRY(
        co_await engine_.begin_write(ctx_, upload_key(), upload_owner(), span.first, span.size()));
    CO_TRY(co_await append_body(*write, span.size()));
    const storage::WriteAnswer written = CO_TRY(co_await write->finish(ctx_));
    std::vector<gbs::Missing> required;
    for (const storage::ByteRange& range : written.required)
        required.push_back({.begin = range.offset, .end = range.offset + range.size});
    co_return gbs::cbor_answer(written.complete ? 201 : 200, gbs::encode_required(required));
}

rt::Task<GbsCall::Outcome> GbsCall::abort() {
    CO_TRY(co_await work());
    CO_TRY(co_await engine_.abort_upload(ctx_, upload_key(), upload_owner()));
    co_return gbs::empty_answer(200);
}

// ---- reading shares

rt::Task<Result<void>> GbsCall::send_pieces(storage::ShareReader& reader, std::uint64_t offset,
                                            std::uint64_t size) {
    ByteBuffer scratch;
    while (size > 0) {
        const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(size, kReadPieceBytes));
        CO_TRY(co_await work());
        const ByteView piece = CO_TRY(co_await reader.read(ctx_, offset, want, scratch));
        if (piece.empty())
            co_return fail(ErrorKind::corrupt, "gate.short_share", "a share ended before its end");
        CO_TRY(co_await send_piece(piece));
        offset += piece.size();
        size -= piece.size();
    }
    co_return ok();
}

rt::Task<GbsCall::Outcome> GbsCall::read(ShareKind kind) {
    const storage::ByteRange wanted =
        admitted_.span ? storage::ByteRange{admitted_.span->first, admitted_.span->size()}
                       : storage::kWholeShare;
    CO_TRY(co_await work());
    const auto reader =
        CO_TRY(co_await engine_.open(ctx_, grid_, index_, admitted_.target.share, kind, wanted));
    const gbs::ReadPlan plan = gbs::plan_read(admitted_.span, reader->length());

    // The first piece is read before anything is answered, so that what fails at once gets a
    // status.
    ByteBuffer scratch;
    ByteView first;
    if (plan.size > 0 && !is_head()) {
        const auto want =
            static_cast<std::size_t>(std::min<std::uint64_t>(plan.size, kReadPieceBytes));
        first = CO_TRY(co_await reader->read(ctx_, plan.offset, want, scratch));
    }
    response_.status(plan.status).field("Content-Type", gbs::kBytesType);
    if (plan.sent) response_.field("Content-Range", gbs::content_range_value(*plan.sent));
    response_.begin(plan.size);
    if (!is_head()) {
        CO_TRY(co_await send_piece(first));
        CO_TRY(co_await send_pieces(*reader, plan.offset + first.size(), plan.size - first.size()));
    }
    rest();
    CO_TRY(co_await response_.end(ctx_));
    co_return std::nullopt;
}

// ---- mutable slots

rt::Task<Result<void>> GbsCall::gather(storage::TestWriteRequest& out, ByteView data) {
    if (!out.staging) out.staging = engine_.stage();
    co_return co_await out.staging->append(ctx_, data);
}

// Parses the body as it comes; its data goes to the engine's staging area.
rt::Task<Result<storage::TestWriteRequest>> GbsCall::read_slot_request() {
    using What = gbs::ReadTestWriteParser::Event::What;
    storage::TestWriteRequest out{.index = index_,
                                  .write_enabler = *admitted_.secrets.write_enabler,
                                  .secrets = lease_secrets(),
                                  .shares = {},
                                  .reads = {},
                                  .staging = nullptr};
    gbs::ReadTestWriteParser parser;
    for (What what = What::need_more; what != What::done;) {
        const ByteView piece = CO_TRY(co_await next_piece());
        if (piece.empty()) break;
        parser.feed(piece);
        do {
            const auto event = CO_TRY(parser.next());
            what = event.what;
            if (what == What::data) CO_TRY(co_await gather(out, event.bytes));
        } while (what == What::data);
    }
    CO_TRY(parser.finish());
    gbs::ReadTestWriteRequest asked = parser.take();
    for (const gbs::ReadVector& read : asked.reads) out.reads.push_back({read.offset, read.size});
    for (auto& [share, vectors] : asked.shares) {
        storage::ShareTestWrite& to = out.shares[share];
        to.new_length = vectors.new_length;
        for (gbs::TestVector& test : vectors.tests)
            to.tests.push_back({test.offset, test.size, std::move(test.specimen)});
        for (const gbs::WriteVector& write : vectors.writes)
            to.writes.push_back({write.offset, {write.data_at, write.data_size}});
    }
    co_return out;
}

rt::Task<GbsCall::Outcome> GbsCall::read_test_write() {
    auto asked = CO_TRY(co_await read_slot_request());
    const auto answer = CO_TRY(co_await engine_.read_test_write(ctx_, grid_, std::move(asked)));
    co_return co_await answer_slot(answer);
}

// A short answer is put together and sent at once; a long one is sent as it is read.
rt::Task<GbsCall::Outcome> GbsCall::answer_slot(const storage::TestWriteAnswer& answer) {
    std::vector<gbs::ShareSizes> sizes;
    for (const storage::ShareExtracts& share : answer.before) {
        sizes.push_back({.share = share.share});
        for (const storage::Extract& item : share.items)
            sizes.back().items.push_back(item.range.size);
    }
    const gbs::ReadTestWriteFrame frame = gbs::frame_answer(answer.success, sizes);
    const bool streams = frame.total_bytes > kGatheredAnswerBytesMax;
    if (streams) {
        response_.status(200).field("Content-Type", gbs::kCborType);
        response_.begin(frame.total_bytes);
    }
    ByteBuffer gathered = frame.glue.front();
    std::size_t glue = 1;
    ByteBuffer scratch;
    for (const storage::ShareExtracts& share : answer.before) {
        for (const storage::Extract& item : share.items) {
            if (streams) {
                CO_TRY(co_await send_piece(gathered));
                gathered.clear();
                CO_TRY(co_await send_pieces(*item.reader, item.range.offset, item.range.size));
            } else if (item.range.size > 0) {
                const ByteView bytes = CO_TRY(co_await item.reader->read(
                    ctx_, item.range.offset, static_cast<std::size_t>(item.range.size), scratch));
                append(gathered, bytes);
            }
            append(gathered, frame.glue[glue++]);
        }
    }
    if (!streams) {
        rest();
        CO_TRY(co_await turnstile_.spend(ctx_, grid_, gathered.size()));
        co_return gbs::cbor_answer(200, std::move(gathered));
    }
    CO_TRY(co_await send_piece(gathered));
    CO_TRY(co_await response_.end(ctx_));
    co_return std::nullopt;
}

}  // namespace s4::gate
