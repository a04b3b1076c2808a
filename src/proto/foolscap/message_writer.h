// Writes messages: values, calls, answers and errors as token sequences (A.10, A.11). Used by the
// Broker, on its thread; prepare_arguments() by whoever tells many the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proto/foolscap/banana.h"
#include "proto/foolscap/value.h"

namespace s4::proto::foolscap {

// Gives our objects their numbers on one connection.
class Exporter {
  public:
    struct Export {
        std::uint64_t clid = 0;
        bool is_first = false;  // the interface name travels once
    };
    virtual ~Exporter() = default;
    // Counts one more transmission of the object.
    virtual Export export_object(const Referenceable& object) = 0;
};

// `value` holds no StreamedBytes: those are only received.
void write_value(Encoder& out, Exporter& exporter, const Value& value);
void write_call(Encoder& out, Exporter& exporter, std::uint64_t request, std::uint64_t clid,
                std::string_view method, const Arguments& arguments);
// `arguments` was made by prepare_arguments().
void write_prepared_call(Encoder& out, std::uint64_t request, std::uint64_t clid,
                         std::string_view method, ByteView arguments);
void write_answer(Encoder& out, Exporter& exporter, std::uint64_t request, const Value& value);
void write_error(Encoder& out, std::uint64_t request, const Failure& failure);

// Arguments as bytes that can be sent on any number of connections; without references.
ByteBuffer prepare_arguments(const Arguments& arguments);

// The number of our objects inside `value`, which is what sending it may add to the exports.
std::size_t count_referenceables(const Value& value);

}  // namespace s4::proto::foolscap
