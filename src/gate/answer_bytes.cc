#include "gate/answer_bytes.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "gate/limits.h"

namespace s4::gate {

namespace pf = proto::foolscap;

namespace {

// A part of one share's bytes.
class SharePieces {
  public:
    SharePieces(StorageSession& session, storage::Extract rest)
        : session_(session), rest_(std::move(rest)) {}

    std::uint64_t left() const { return rest_.range.size; }
    rt::Task<Result<ByteView>> next(const rt::Context& ctx) {
        const auto want =
            static_cast<std::size_t>(std::min<std::uint64_t>(left(), kReadPieceBytes));
        CO_TRY(co_await session_.turnstile.spend(ctx, session_.grid, want));
        const ByteView piece = CO_TRY(
            co_await session_.in_turn(ctx, Turnstile::Lane::read,
                                      rest_.reader->read(ctx, rest_.range.offset, want, scratch_)));
        if (piece.empty())
            co_return fail(ErrorKind::corrupt, "gate.short_share", "a share ended before its end");
        rest_.range.offset += piece.size();
        rest_.range.size -= piece.size();
        co_return piece;
    }

  private:
    StorageSession& session_;
    storage::Extract rest_;
    ByteBuffer scratch_;
};

class ShareSupply final : public wire::ByteSupply {
  public:
    ShareSupply(StorageSession& session, storage::Extract wanted, std::shared_ptr<AnswerRoom> room)
        : room_(std::move(room)), pieces_(session, std::move(wanted)) {}

    // Reads the first piece before it is asked for.
    rt::Task<Result<void>> begin(const rt::Context& ctx) {
        first_ = CO_TRY(co_await pieces_.next(ctx));
        co_return ok();
    }
    ByteView at_hand() override { return std::exchange(first_, {}); }
    rt::Task<Result<ByteView>> next(const rt::Context& ctx) override {
        if (!first_.empty()) co_return at_hand();
        auto piece = co_await pieces_.next(ctx);
        if (!piece &&
            (piece.error().kind() == ErrorKind::io || piece.error().kind() == ErrorKind::corrupt))
            log::error("gate", "an answer broke off in the storage", {{"error", piece.error()}});
        co_return piece;
    }

  private:
    std::shared_ptr<AnswerRoom> room_;  // of the whole answer; null where all of it was read
    SharePieces pieces_;
    ByteView first_;  // in pieces_
};

rt::Task<Result<pf::Value>> read_whole(const rt::Context& ctx, StorageSession& session,
                                       storage::Extract wanted) {
    SharePieces pieces(session, std::move(wanted));
    ByteBuffer out;
    while (pieces.left() > 0) append(out, CO_TRY(co_await pieces.next(ctx)));
    co_return pf::Value::bytes(std::move(out));
}

}  // namespace

rt::Task<Result<void>> AnswerRoom::take(const rt::Context& ctx) {
    CO_TRY(co_await session_.connection.answers_taken(ctx));
    CO_TRY(co_await session_.answer_room.acquire(ctx));
    taken_ = true;
    co_return ok();
}

rt::Task<Result<std::vector<pf::Value>>> answer_bytes(const rt::Context& ctx,
                                                      StorageSession& session,
                                                      std::vector<storage::Extract> wanted) {
    std::uint64_t total = 0;
    for (const storage::Extract& item : wanted) total += item.range.size;
    const auto room = std::make_shared<AnswerRoom>(session);
    if (total > 0) CO_TRY(co_await room->take(ctx));
    const bool whole = total <= kWholeAnswerBytesMax;  // then each item is one piece
    std::vector<pf::Value> out;
    bool begun = false;
    for (storage::Extract& item : wanted) {
        const std::uint64_t size = item.range.size;
        if (size == 0 || (whole && size < kUncopiedBytesMin)) {
            out.push_back(CO_TRY(co_await read_whole(ctx, session, std::move(item))));
            continue;
        }
        auto supply =
            std::make_shared<ShareSupply>(session, std::move(item), whole ? nullptr : room);
        if (whole || !std::exchange(begun, true)) CO_TRY(co_await supply->begin(ctx));
        out.push_back(pf::SuppliedBytes{std::move(supply), size});
    }
    co_return out;
}

}  // namespace s4::gate
