#include "rt/asio/backend.h"

#include <sys/resource.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "crypto/random.h"
#include "rt/asio/network.h"
#include "rt/asio/posix_files.h"
#include "rt/asio/reactor.h"
#include "rt/asio/thread_pool.h"
#include "rt/scope.h"

namespace s4::rt::asio {

namespace {

// Each connection is a descriptor; the usual soft limit of 1024 is for programs that use select().
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct Backend::Parts {
    explicit Parts(std::size_t pool_threads)
        : network(reactor),
          signals(reactor.io()),
          pool("s4-pool", pool_threads),
          writer("s4-writer", 1),
          runtime{reactor, network, files, pool, writer, random} {}

    AsioReactor reactor;
    AsioNetwork network;
    PosixFiles files;
    crypto::SystemRandom random;
    boost::asio::signal_set signals;
    // The pools' threads end before the reactor that they post to.
    ThreadPool pool;
    ThreadPool writer;
    Runtime runtime;
};

Backend::Backend(std::size_t pool_threads) {
    raise_descriptor_limit();
    parts_ = std::make_unique<Parts>(pool_threads);
}
Backend::~Backend() = default;

Runtime& Backend::runtime() {
    return parts_->runtime;
}

void Backend::shift_clock(std::chrono::seconds by) {
    parts_->reactor.shift_clock(by);
}

void Backend::run(Task<void> main) {
    boost::asio::io_context& io = parts_->reactor.io();
    io.restart();
    const Context ctx;
    Scope scope(ctx);
    const auto stay = boost::asio::make_work_guard(io);
    scope.spawn(std::move(main));
    while (scope.running() > 0) io.run_one();
}

void Backend::on_terminate(Job job) {
    parts_->signals.add(SIGTERM);
    parts_->signals.add(SIGINT);
    parts_->signals.async_wait(
        [this, job = std::move(job)](const boost::system::error_code& error, int) mutable {
            if (error) return;
            parts_->signals.clear();  // the next signal has its default effect
            job();
        });
}

}  // namespace s4::rt::asio
