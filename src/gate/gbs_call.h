// GbsCall: one admitted request of a known grid, from its body to its answer. Made by GbsHandler
// for the length of one request; each route is a member that answers it.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "gate/turnstile.h"
#include "proto/gbs/read_test_write.h"
#include "proto/gbs/server.h"
#include "rt/context.h"
#include "rt/task.h"
#include "storage/engine.h"
#include "wire/http_server.h"

namespace s4::gate {

class GbsCall {
  public:
    GbsCall(const rt::Context& ctx, GridId grid, proto::gbs::Request admitted,
            storage::Engine& engine, Turnstile& turnstile, wire::HttpRequest& request,
            wire::HttpResponse& response, std::string_view application_version);

    rt::Task<void> answer();

  private:
    // An answer that is to be sent, or nothing when the route has sent its own.
    using Outcome = Result<std::optional<proto::gbs::Answer>>;

    [[clang::coro_wrapper]] rt::Task<Outcome> serve();
    rt::Task<Outcome> version();
    rt::Task<Outcome> lease();
    rt::Task<Outcome> allocate();
    rt::Task<Outcome> write();
    rt::Task<Outcome> abort();
    rt::Task<Outcome> list(storage::ShareKind kind);
    rt::Task<Outcome> read(storage::ShareKind kind);
    rt::Task<Outcome> corrupt(storage::ShareKind kind);
    rt::Task<Outcome> read_test_write();

    bool only_reads() const;
    // A turn for what follows, kept until rest(): before anything that the peer has a part in.
    rt::Task<Result<void>> work();
    void rest() { turn_.reset(); }
    rt::Task<Result<ByteView>> next_piece();  // of the body, within the grid's rate
    rt::Task<Result<ByteBuffer>> read_body(std::size_t bytes_max);
    rt::Task<Result<void>> send_piece(ByteView bytes);  // of the answer, within the grid's rate

    rt::Task<Result<void>> append_body(storage::UploadWrite& write, std::uint64_t length);
    rt::Task<Result<storage::TestWriteRequest>> read_slot_request();
    rt::Task<Result<void>> gather(storage::TestWriteRequest& out, ByteView data);
    rt::Task<Outcome> answer_slot(const storage::TestWriteAnswer& answer);
    rt::Task<Result<void>> send_pieces(storage::ShareReader& reader, std::uint64_t offset,
                                       std::uint64_t size);
    bool is_head() const;
    storage::LeaseSecrets lease_secrets() const;
    storage::UploadKey upload_key() const;
    storage::UploadOwner upload_owner() const;

    const rt::Context& ctx_;
    GridId grid_;
    proto::gbs::Request admitted_;
    storage::StorageIndex index_;
    storage::Engine& engine_;
    Turnstile& turnstile_;
    std::optional<Turnstile::Turn> turn_;
    wire::HttpRequest& request_;
    wire::HttpResponse& response_;
    std::string_view application_version_;
};

// Sends an answer that is whole. What fails, fails because the peer has gone.
rt::Task<void> send_answer(const rt::Context& ctx, wire::HttpResponse& response,
                           proto::gbs::Answer answer);

}  // namespace s4::gate
