// FoolscapConnection: the pump of one Foolscap connection after negotiation, server and client
// alike. It reads, runs calls on our objects, carries our calls, keeps the connection alive or
// gives it up, and pushes back: it reads nothing while too many calls or too many bytes wait.
//
// Made by negotiation (foolscap_negotiation.h); lives until run() has returned. On one reactor.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/result.h"
#include "proto/foolscap/broker.h"
#include "proto/foolscap/keepalive.h"
#include "proto/foolscap/negotiation.h"
#include "rt/reactor.h"
#include "rt/scope.h"
#include "rt/stream.h"
#include "rt/sync.h"
#include "wire/foolscap_object.h"
#include "wire/limits.h"

namespace s4::wire {

class FoolscapConnection final : private proto::foolscap::CallPolicy {
  public:
    using Value = proto::foolscap::Value;
    using Arguments = proto::foolscap::Arguments;
    using RemoteReference = proto::foolscap::RemoteReference;
    // What the peer answered.
    using Outcome = std::variant<Value, proto::foolscap::Failure>;

    FoolscapConnection(rt::Reactor& reactor, FoolscapTub& tub, proto::foolscap::ConnectionId id,
                       proto::foolscap::Negotiation::Established established,
                       std::unique_ptr<rt::Stream> stream, ByteBuffer already_read,
                       const FoolscapLimits& limits);
    FoolscapConnection(const FoolscapConnection&) = delete;
    FoolscapConnection& operator=(const FoolscapConnection&) = delete;
    ~FoolscapConnection() override;

    // Serves until either side ends it or the context is cancelled. Once.
    rt::Task<void> run(const rt::Context& ctx);

    // Ends it now: objects and pending calls hear of it before this returns, run() returns soon.
    void close(std::string_view why);
    bool closed() const { return lost_; }
    // Ends it once the calls that have begun are answered: nothing more is read.
    void finish();

    rt::Reactor& reactor() { return reactor_; }
    const std::string& peer_tub_id() const { return peer_tub_id_; }
    rt::Endpoint peer() const { return stream_->peer(); }

    // Makes an object of ours ready to be sent; it is the connection's from now on.
    Value add(std::unique_ptr<RemoteObject> object);
    // An object of ours that came home in an argument; null if it is gone.
    RemoteObject* object(proto::foolscap::ObjectId id);

    // The peer's object behind a swissnum. Fails with "foolscap.remote_failure" if there is none.
    rt::Task<Result<RemoteReference>> get_reference(const rt::Context& ctx, std::string swissnum);
    // Calls a method of the peer's and waits for its answer. Calls leave in the order in which they
    // were made; where the peer takes them slowly, this waits. References in the answer are the
    // caller's to release().
    rt::Task<Result<Outcome>> call(const rt::Context& ctx, RemoteReference target,
                                   std::string method, Arguments arguments);
    // Calls without waiting; the answer is dropped. `prepared` is from prepare_arguments(). A peer
    // that lags by more than the limit loses its connection.
    void tell(const RemoteReference& target, std::string_view method, ByteView prepared);

    // References of the peer's: one received in a call's arguments is ours while the call runs, and
    // as long after as it is held.
    void hold(const RemoteReference& reference);
    void release(const RemoteReference& reference);

    // Returns once the peer has taken enough of the answers made so far: for who makes large ones.
    rt::Task<Result<void>> answers_taken(const rt::Context& ctx);
    std::size_t unsent_bytes() const { return broker_.output_size() + writing_bytes_; }

  private:
    struct Entry {
        std::unique_ptr<RemoteObject> object;
        std::string interface_name;
        std::size_t calls = 0;
        bool is_named = false;  // found by swissnum: kept until the connection ends
        bool is_released = false;
    };
    struct Pending {
        explicit Pending(rt::Reactor& reactor) : done(reactor) {}
        rt::Event done;
        std::optional<Outcome> outcome;  // nothing: the connection was lost
    };

    proto::foolscap::ArgumentMode argument_mode(proto::foolscap::ObjectId object,
                                                std::string_view method) override;

    rt::Task<Result<void>> read_loop(const rt::Context& ctx);
    rt::Task<void> finish_calls(const rt::Context& ctx);
    rt::Task<Result<void>> take(const rt::Context& ctx, ByteView bytes);
    rt::Task<Result<void>> wait_for_room(const rt::Context& ctx);
    rt::Task<void> write_loop(rt::Context ctx);
    rt::Task<Result<void>> write_supplied(const rt::Context& ctx, ByteView before,
                                          proto::foolscap::SuppliedBytes from);
    rt::Task<Result<void>> write_out(const rt::Context& ctx, ByteView bytes);
    rt::Task<Result<void>> write_together(const rt::Context& ctx, std::array<ByteView, 3> parts);
    rt::Task<void> keepalive_loop(rt::Context ctx);
    rt::Task<Result<void>> handle(const rt::Context& ctx, proto::foolscap::BrokerEvent event);
    rt::Task<void> run_call(rt::Context ctx, proto::foolscap::IncomingCall call);
    void on_name(const proto::foolscap::NameLookup& lookup);
    void on_answer(proto::foolscap::Answered answered);
    void on_released(proto::foolscap::ObjectId object);
    void drop_if_unused(proto::foolscap::ObjectId id, const Entry& entry);
    void drop_unsent(const Value& value);
    void release_all(const Value& value);
    void release_all(const Arguments& arguments);
    void progress();
    void answer(const proto::foolscap::IncomingCall& call, const RemoteObject::Answer& answer);
    void lose();

    rt::Reactor& reactor_;
    FoolscapTub& tub_;
    proto::foolscap::ConnectionId id_;
    std::string peer_tub_id_;
    FoolscapLimits limits_;
    std::unique_ptr<rt::Stream> stream_;
    ByteBuffer already_read_;

    std::map<proto::foolscap::ObjectId, Entry> objects_;
    proto::foolscap::Broker broker_;  // after the objects, that supply what it still has to send
    std::map<std::string, proto::foolscap::ObjectId, std::less<>> names_;
    std::int64_t next_object_ = 1;
    std::unordered_map<proto::foolscap::RequestId, Pending*> pending_;
    // Which object a stream belongs to; those of the call being read.
    std::unordered_map<proto::foolscap::StreamId, proto::foolscap::ObjectId> streams_;

    rt::Event output_ready_;
    rt::Event room_;
    rt::Event written_;      // set once the writer has ended
    rt::Semaphore calling_;  // the turn of the call that waits for room
    std::size_t writing_bytes_ = 0;
    std::uint64_t unsent_answer_bytes_ = 0;  // with those that are yet to be supplied
    Instant last_received_;
    bool waiting_for_room_ = false;
    rt::CancelSource stop_reading_;
    bool ending_ = false;  // nothing more is read; what is queued is still written
    bool lost_ = false;
    rt::Scope* scope_ = nullptr;
    std::string why_ = "the peer closed it";
};

}  // namespace s4::wire
