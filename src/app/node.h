// Node: one S4 process with every role in it, wired from its parts. This is the place where the
// floors meet; it holds no rule.
//
// run() starts everything from the ground up, says that it is ready, waits for the order to stop,
// and takes everything down in the opposite order. All on the backend's reactor; blocking work
// before ready() is start-up.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/settings.h"
#include "app/state_directory.h"
#include "base/result.h"
#include "rt/asio/backend.h"

namespace s4::app {

// What people and scripts are told once everything listens.
struct ReadyReport {
    Addresses addresses;
    std::string pages_url;  // "http://127.0.0.1:8480"
    std::string announced;  // where clients are told to connect
    std::string state;
    bool test_payments = false;
    bool signup_open = false;
};

class Node {
  public:
    Node(rt::asio::Backend& backend, ServeOptions options);
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node();

    // Serves until SIGTERM or SIGINT. `ready` is called once everything listens. Errors are what
    // kept it from starting, each a sentence for the operator.
    rt::Task<Result<void>> run(std::function<void(const ReadyReport&)> ready);

  private:
    struct Ports;
    struct Ground;
    struct Doors;
    struct Office;

    Result<void> open_ground(const rt::Context& ctx);
    Result<void> bind_ports();
    rt::Task<Result<void>> pass_over_lost_grids(const rt::Context& ctx);
    rt::Task<Result<void>> open_stores(const rt::Context& ctx);
    rt::Task<void> close_stores();
    rt::Task<Result<void>> open_doors(const rt::Context& ctx);
    Result<void> open_office(const rt::Context& ctx);
    rt::Task<Result<void>> ship_log(const rt::Context& ctx);
    rt::Task<void> stop(const rt::Context& ctx);
    rt::Task<void> evict_idle(const rt::Context& ctx);

    std::string pages_url() const;
    ReadyReport report() const;

    rt::asio::Backend& backend_;
    ServeOptions options_;
    // From the ground up; destroyed in the opposite order.
    std::unique_ptr<Ground> ground_;
    std::unique_ptr<Ports> ports_;
    std::unique_ptr<Doors> doors_;
    std::unique_ptr<Office> office_;
};

}  // namespace s4::app
