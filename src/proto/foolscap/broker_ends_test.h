// Brokers in tests: an end of a connection with the events that it gave out, and two ends that
// talk.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/foolscap/broker.h"

namespace s4::proto::foolscap {

inline constexpr std::string_view kPeerTub = "62mekftseopdr2vc4h5yrji3givnbm5r";

class Policy final : public CallPolicy {
  public:
    ArgumentMode argument_mode(ObjectId, std::string_view method) override {
        if (method == "nosuchmethod") return ArgumentMode::refused;
        return method == "write" ? ArgumentMode::streamed : ArgumentMode::whole;
    }
};

// A broker and what it gave out. Stream pieces are joined into `streams`.
class End {
  public:
    explicit End(BrokerLimits limits = {}, bool peer_speaks_first = false)
        : broker({.vocabulary_table = 1,
                  .peer_tub_id = std::string(kPeerTub),
                  .peer_speaks_first = peer_speaks_first,
                  .limits = limits},
                 policy) {}

    // False once the connection has ended.
    bool give(ByteView bytes) {
        while (true) {
            auto event = broker.receive(bytes);
            if (!event) {
                error = event.error().message();
                return false;
            }
            if (!*event) break;
            if (auto* began = std::get_if<StreamBegan>(&**event)) {
                streams.emplace_back();
                began_streams.push_back(*began);
            } else if (auto* piece = std::get_if<StreamPiece>(&**event)) {
                streams.back() += as_text(piece->bytes);
            } else {
                events.push_back(*std::move(*event));
            }
        }
        unread = bytes.size();
        return true;
    }
    template <typename T>
    T take() {
        EXPECT_FALSE(events.empty());
        if (events.empty() || !std::holds_alternative<T>(events.front())) {
            ADD_FAILURE() << "the next event is of another kind";
            return T{};
        }
        T out = std::get<T>(std::move(events.front()));
        events.erase(events.begin());
        return out;
    }

    Policy policy;
    Broker broker;
    std::vector<BrokerEvent> events;
    std::vector<StreamBegan> began_streams;
    std::vector<std::string> streams;
    std::string error;
    std::size_t unread = 0;
};

// Hands over what each has written until both are silent.
inline void talk(End& a, End& b) {
    while (true) {
        const ByteBuffer from_a = a.broker.take_output();
        const ByteBuffer from_b = b.broker.take_output();
        if (from_a.empty() && from_b.empty()) return;
        ASSERT_TRUE(b.give(from_a)) << b.error;
        ASSERT_TRUE(a.give(from_b)) << a.error;
    }
}

inline Arguments positional(std::vector<Value> values) {
    Arguments out;
    out.positional = std::move(values);
    return out;
}

inline const Referenceable kService{ObjectId{7}, "RIStorageServer.tahoe.allmydata.com"};

// A client that holds the server's service object.
class Connected : public ::testing::Test {
  protected:
    Connected() {
        EXPECT_TRUE(client.broker.get_reference("swordfish"));
        talk(client, server);
        const auto lookup = server.take<NameLookup>();
        EXPECT_EQ(lookup.name, "swordfish");
        server.broker.answer(lookup.call, kService);
        talk(client, server);
        const auto answered = client.take<Answered>();
        service = *std::get<Value>(answered.outcome).as_remote();
    }
    RequestId call(std::string_view method, std::vector<Value> arguments = {}) {
        auto request = client.broker.call(service, method, positional(std::move(arguments)));
        EXPECT_TRUE(request);
        return *request;
    }
    // The failure that the client's next event brings.
    Failure failure() { return std::get<Failure>(client.take<Answered>().outcome); }

    End client;
    End server;
    RemoteReference service;
};

}  // namespace s4::proto::foolscap
