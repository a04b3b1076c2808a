// The bytes of shares in an answer over Foolscap: a short answer's are read into it, a long one's
// are read while the peer takes them, so that an answer costs a piece or two however long it is.
#pragma once

#include <vector>

#include "gate/storage_object.h"

namespace s4::gate {

// A place among the answers that a connection has under way, held until the answer's bytes are with
// the pump. Not given before the peer has taken enough of the earlier ones.
class AnswerRoom {
  public:
    explicit AnswerRoom(StorageSession& session) : session_(session) {}
    AnswerRoom(const AnswerRoom&) = delete;
    AnswerRoom& operator=(const AnswerRoom&) = delete;
    ~AnswerRoom() {
        if (taken_) session_.answer_room.release();
    }
    rt::Task<Result<void>> take(const rt::Context& ctx);

  private:
    StorageSession& session_;
    bool taken_ = false;
};

// One byte string for each of `wanted`, in order. Ranges are clipped already. What cannot be read
// at once fails here; what cannot be read later ends the connection.
rt::Task<Result<std::vector<proto::foolscap::Value>>> answer_bytes(
    const rt::Context& ctx, StorageSession& session, std::vector<storage::Extract> wanted);

}  // namespace s4::gate
