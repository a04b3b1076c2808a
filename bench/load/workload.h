// What a connection asks for, again and again. A workload makes the requests of one operation one
// by one and judges each answer; the program around it counts operations and time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "response.h"

namespace s4::bench {

struct Wish {
    std::string operation;      // get, create, mutable, lease, upload, connect
    std::string host;           // for the Host header
    std::string authorization;  // the Authorization header's value, or empty
    std::string path;           // of get and connect
    std::string range;          // of get: "0-4095", or empty
    std::uint64_t share_bytes = 0;
    std::uint64_t seed = 0;  // so that two runs use different storage indexes
};

enum class Next : std::uint8_t { kMore, kOperationDone, kWrong };

// One for each connection.
class Workload {
  public:
    virtual ~Workload() = default;
    // The next request. The view holds until the answer has come.
    virtual std::string_view request() = 0;
    virtual Next answered(const Response& response) = 0;
    // Whether each operation wants a connection of its own.
    virtual bool reconnects() const { return false; }
};

// Null when there is no such operation.
std::unique_ptr<Workload> make_workload(const Wish& wish, int connection);

}  // namespace s4::bench
