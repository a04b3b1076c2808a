// The storage server as a remote object (reference C): RIStorageServer with its bucket writers and
// readers, on the same engine as GBS. One for each connection that asked for it, which owns it;
// when the connection is lost, the engine aborts the uploads that it had begun.
//
// Calls run side by side but for what the protocol orders: the writes and the close of one bucket
// take turns in the order in which they came. Large byte strings go to the engine while they
// arrive.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gate/grid_tub.h"
#include "gate/storage_arguments.h"
#include "rt/sync.h"
#include "storage/engine.h"
#include "wire/foolscap_connection.h"
#include "wire/foolscap_object.h"

namespace s4::gate {

// What all objects of one connection to a storage server share. Lives as long as the connection.
struct StorageSession {
    StorageSession(wire::FoolscapConnection& its_connection, const FoolscapServices& services,
                   GridId its_grid, std::string its_tub_id, storage::ConnectionId its_id);

    wire::FoolscapConnection& connection;
    // What the engine does, in a turn; nobody waits for the peer in it. What a commit makes ready
    // goes on grid by grid.
    template <typename T>
    rt::Task<Result<T>> in_turn(const rt::Context& ctx, Turnstile::Lane lane,
                                rt::Task<Result<T>> what) {
        std::optional<Turnstile::Turn> turn(CO_TRY(co_await turnstile.enter(ctx, grid, lane)));
        auto done = co_await std::move(what);
        turn.reset();
        if (lane == Turnstile::Lane::write) (void)co_await turnstile.pass(ctx, grid);
        co_return done;
    }

    storage::Engine& engine;
    Turnstile& turnstile;
    GridId grid;
    std::string tub_id;
    storage::ConnectionId id;
    std::string version;        // what get_version tells
    rt::Semaphore answer_room;  // of kAnswersUnderWayMax; see AnswerRoom
};

class StorageObject final : public wire::RemoteObject {
  public:
    StorageObject(wire::FoolscapConnection& connection, const FoolscapServices& services,
                  GridId grid, std::string tub_id, storage::ConnectionId id);

    std::string interface_name() const override;
    proto::foolscap::ArgumentMode argument_mode(std::string_view method) const override;
    rt::Task<Answer> call(const rt::Context& ctx, std::string method,
                          proto::foolscap::Arguments arguments) override;
    rt::Task<void> stream_began(const rt::Context& ctx,
                                proto::foolscap::StreamBegan stream) override;
    rt::Task<void> stream_piece(const rt::Context& ctx, proto::foolscap::StreamId stream,
                                ByteView bytes) override;
    void streams_broken(proto::foolscap::StreamId first) override;
    void connection_lost() override;

  private:
    // The streamed data of the test-and-write that is arriving.
    struct Incoming {
        std::unique_ptr<storage::Staging> staging;
        std::map<proto::foolscap::StreamId, storage::ByteRange> ranges;
        std::optional<Error> error;
    };

    rt::Task<Answer> get_version(const rt::Context& ctx);
    rt::Task<Answer> allocate_buckets(const rt::Context& ctx, StorageArguments arguments);
    rt::Task<Answer> add_lease(const rt::Context& ctx, StorageArguments arguments);
    rt::Task<Answer> get_buckets(const rt::Context& ctx, StorageArguments arguments);
    rt::Task<Answer> slot_readv(const rt::Context& ctx, StorageArguments arguments);
    rt::Task<Answer> read_test_write(const rt::Context& ctx, StorageArguments arguments,
                                     Incoming incoming);
    rt::Task<Answer> advise_corrupt_share(const rt::Context& ctx, StorageArguments arguments);
    rt::Task<Result<std::vector<proto::foolscap::Value>>> read_extracts(
        const rt::Context& ctx, const std::vector<storage::ShareExtracts>& shares);
    rt::Task<Result<void>> stage(const rt::Context& ctx, const SlotWrites& writes,
                                 Incoming& incoming, storage::TestWriteRequest& into);

    StorageSession session_;
    Incoming incoming_;
};

// The exception that Tahoe's storage server would have raised (A.12).
proto::foolscap::Failure storage_failure(const StorageSession& session, const Error& error);

}  // namespace s4::gate
