// A whole conversation from a stranger. The host behind the broker exports objects, answers some
// calls with references and releases what it gets, as the first bytes choose. The broker's bounds
// must hold at every moment, and what it writes must be a conversation itself.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "proto/foolscap/broker.h"

namespace {

using namespace s4;
using namespace s4::proto::foolscap;

class Policy final : public CallPolicy {
    ArgumentMode argument_mode(ObjectId, std::string_view method) override {
        if (method.starts_with('n')) return ArgumentMode::refused;
        return method.starts_with('w') ? ArgumentMode::streamed : ArgumentMode::whole;
    }
};

constexpr BrokerLimits kLimits{.message_values_max = 200,
                               .message_bytes_max = 20'000,
                               .calls_in_flight_max = 4,
                               .held_bytes_max = 30'000,
                               .own_calls_max = 4,
                               .exported_objects_max = 6,
                               .remote_references_max = 6};

class Host {
  public:
    Host() : broker_({1, std::string(32, 'a'), false, kLimits}, policy_) {}

    void converse(ByteView bytes, std::size_t step) {
        (void)broker_.get_reference("x");
        while (!bytes.empty()) {
            ByteView piece = bytes.first(std::min(step, bytes.size()));
            bytes = bytes.subspan(piece.size());
            if (!serve(piece)) break;
            check_output();
        }
        check_output();
        broker_.lose();
    }

  private:
    bool serve(ByteView& piece) {
        while (true) {
            auto event = broker_.receive(piece);
            CHECK(broker_.calls_in_flight() <= kLimits.calls_in_flight_max, "bounded");
            CHECK(broker_.exported_objects() <= kLimits.exported_objects_max, "bounded");
            CHECK(broker_.remote_references() <= kLimits.remote_references_max, "bounded");
            if (!event) return false;
            if (!*event) {
                if (!broker_.paused()) {
                    CHECK(piece.empty(), "a broker that wants more has used everything");
                    return true;
                }
                CHECK(!waiting_.empty(), "a pause has a reason");
                answer_one();
                continue;
            }
            if (std::holds_alternative<PeerGaveUp>(**event)) return false;
            handle(*std::move(*event));
        }
    }
    void handle(BrokerEvent event) {
        if (auto* lookup = std::get_if<NameLookup>(&event)) {
            if (lookup->name.size() % 2 == 1)
                return broker_.name_unknown(lookup->call, lookup->name);
            broker_.answer(lookup->call, Referenceable{ObjectId{1}, "RI"});
        } else if (auto* call = std::get_if<IncomingCall>(&event)) {
            waiting_.push_back(std::move(*call));
        } else if (auto* answered = std::get_if<Answered>(&event)) {
            if (const auto* value = std::get_if<Value>(&answered->outcome)) release(*value);
        }
    }
    void answer_one() {
        IncomingCall call = std::move(waiting_.front());
        waiting_.erase(waiting_.begin());
        for (const Value& value : call.arguments.positional) release(value);
        for (const auto& [name, value] : call.arguments.keyword) release(value);
        if (call.method.starts_with('f'))
            return broker_.fail(call.call, Failure::make("a.B", call.method));
        if (call.method.starts_with('s'))
            return broker_.answer(
                call.call,
                Value::list({SuppliedBytes{supply_, call.method.size()}, Value::text(call.method),
                             SuppliedBytes{supply_, 1 + call.method.size() % 3}}));
        broker_.answer(call.call, Value::list({Referenceable{ObjectId{next_object_++}, ""}}));
    }
    void release(const Value& value) {
        if (const auto* remote = value.as_remote()) broker_.release(*remote);
        if (const auto* items = value.as_sequence())
            for (const Value& item : *items) release(item);
        if (const auto* entries = value.as_dict()) {
            for (const auto& [key, item] : *entries) {
                release(key);
                release(item);
            }
        }
    }
    // Everything sent is tokens, with what is supplied in its place.
    void check_output() {
        while (true) {
            const ByteBuffer out = broker_.take_output();
            const SuppliedBytes* next = broker_.next_supply();
            CHECK(out.empty() || broker_.output_size() == 0 || next != nullptr,
                  "output ends at its end or at what is supplied");
            if (!out.empty()) {
                check_tokens(out);
            } else if (next != nullptr) {
                check_tokens(ByteBuffer(next->size, 0xff));
                broker_.supply_sent();
            } else {
                CHECK(broker_.supplied_bytes() == 0, "nothing is left behind");
                return;
            }
        }
    }
    void check_tokens(ByteView bytes) {
        while (true) {
            const auto token = decoder_.next(bytes);
            CHECK(token, "what a broker sends can be decoded");
            if (!*token) return;
        }
    }

    Policy policy_;
    Broker broker_;
    Decoder decoder_;
    std::vector<IncomingCall> waiting_;
    std::int64_t next_object_ = 2;
    const std::shared_ptr<Supply> supply_ = std::make_shared<Supply>();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // Long inputs are not cut into single bytes: that would only be slow.
    const std::size_t step = data[0] == 0 ? 1 + size / 1024 : data[0] * std::size_t{16};
    Host().converse(ByteView(data + 1, size - 1), step);
    return 0;
}
