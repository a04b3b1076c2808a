// Any value, written by one broker and read by another in pieces of any size, is the same value.
#include <gtest/gtest.h>

#include <random>

#include "proto/foolscap/broker.h"

namespace s4::proto::foolscap {
namespace {

class Whole final : public CallPolicy {
    ArgumentMode argument_mode(ObjectId, std::string_view) override { return ArgumentMode::whole; }
};

class Generator {
  public:
    explicit Generator(std::uint32_t seed) : random_(seed) {}

    std::size_t below(std::size_t bound) { return random_() % bound; }

    Value value(int depth) {
        switch (below(depth > 0 ? 13 : 8)) {
            case 0:
                return Value::none();
            case 1:
                return Value::boolean(below(2) == 0);
            case 2:
                return Value::integer(static_cast<std::int64_t>(bits()));
            case 3:
                return Value::integer(-static_cast<std::int64_t>(below(1000)));
            case 4:
                return Value::big_integer(below(2) == 0, bytes(20));
            case 5:
                return Value::floating(static_cast<double>(below(1000)) / 8);
            case 6:
                return Value::bytes(bytes(40));
            case 7:
                return Value::text("\xc3\xa9" + std::string(below(5), 'x'));
            case 8:
                return Value::list(items(depth));
            case 9:
                return Value::tuple(items(depth));
            case 10:
                return Value::set({Value::integer(1), Value::bytes(bytes(3))});
            case 11:
                return Value::dict(
                    {{Value::integer(1), value(depth - 1)}, {Value::integer(2), value(depth - 1)}});
            default:
                return Value(Failure::make("a.B", std::string(below(100), 'v')));
        }
    }

  private:
    std::uint64_t bits() { return (std::uint64_t{random_()} << 32 | random_()) >> below(64); }
    ByteBuffer bytes(std::size_t bound) {
        ByteBuffer out(below(bound));
        for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(random_());
        return out;
    }
    Value::Items items(int depth) {
        Value::Items out;
        for (std::size_t i = below(4); i > 0; --i) out.push_back(value(depth - 1));
        return out;
    }

    std::mt19937 random_;
};

TEST(RoundTrip, AnyValueSurvivesAnyCutting) {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
        SCOPED_TRACE(seed);
        Generator generator(seed);
        const int table = static_cast<int>(generator.below(2));
        Whole policy;
        Broker writer({.vocabulary_table = table, .peer_tub_id = "", .limits = {}}, policy);
        Broker reader({.vocabulary_table = table, .peer_tub_id = "", .limits = {}}, policy);
        const auto request = reader.get_reference("x");
        ASSERT_TRUE(request);
        const ByteBuffer asked = reader.take_output();
        ByteView asked_view = asked;
        const auto lookup = writer.receive(asked_view);
        ASSERT_TRUE(lookup && *lookup);
        const Value sent = generator.value(5);
        writer.answer(std::get<NameLookup>(**lookup).call, sent);
        const ByteBuffer bytes = writer.take_output();
        std::optional<Value> got;
        ByteView left = bytes;
        while (!left.empty()) {
            ByteView piece = left.first(1 + generator.below(left.size()));
            left = left.subspan(piece.size());
            while (true) {
                auto event = reader.receive(piece);
                ASSERT_TRUE(event) << event.error().to_string();
                if (!*event) break;
                got = std::get<Value>(std::get<Answered>(**event).outcome);
            }
        }
        ASSERT_TRUE(got);
        EXPECT_EQ(*got, sent);
    }
}

}  // namespace
}  // namespace s4::proto::foolscap
