// bench_load: one thread, N connections, each with one request in flight; prints one JSON line
// about what it measured. bench/run.py is its only caller.
//
//   bench_load HOST PORT OPERATION connections=N seconds=S warmup=S [operations=N] [interval=S]
//              [path=P] [range=A-B] [bytes=N] [seed=N] [authorization=TEXT]
//
// With operations=N it stops when so many were done instead of after `seconds`. With interval=S
// each connection asks once in S seconds, all spread evenly, and the warm-up is one operation on
// each. It prints "go" when the warm-up has ended and waits for a line on standard input, so that
// its caller can read the server's CPU time and memory in between.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "response.h"
#include "tls_client.h"
#include "workload.h"

namespace s4::bench {
namespace {

using Clock = std::chrono::steady_clock;

// New connections whose handshakes are under way at a time: servers rightly bound these.
constexpr int kConnectingMax = 64;

Clock::duration duration_of(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

double seconds_since(Clock::time_point then) {
    return std::chrono::duration<double>(Clock::now() - then).count();
}

struct Connection {
    int number = 0;
    std::unique_ptr<TlsClient> client;
    std::unique_ptr<Workload> workload;
    Response response;
    bool sending = false;
    bool idle = true;
    Clock::time_point began;
};

struct Tally {
    std::vector<double> latencies_s;
    std::uint64_t bytes = 0;
};

class Load {
  public:
    Load(Address address, const Wish& wish, int connections)
        : address_(std::move(address)),
          context_(make_context()),
          epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        for (int i = 0; i < connections; ++i) {
            auto connection = std::make_unique<Connection>();
            connection->number = i;
            connection->workload = make_workload(wish, i);
            if (!connection->workload) {
                std::fprintf(stderr, "bench_load: no operation '%s'\n", wish.operation.c_str());
                std::exit(2);
            }
            connections_.push_back(std::move(connection));
        }
    }

    // Runs until `seconds` have passed or `operations` were begun, then lets what is under way end.
    double run(double seconds, std::uint64_t operations) {
        tally_ = {};
        began_ = 0;
        operations_ = operations;
        const auto start = Clock::now();
        open_ = true;
        for (auto& c : connections_) begin_operation(*c);
        while (active_ > 0) {
            if (operations == 0 && seconds_since(start) >= seconds) open_ = false;
            wait_at_most(1000);
        }
        return seconds_since(start);
    }

    // One operation on each connection, few of them at a time.
    void run_each_once() {
        operations_ = 1;
        open_ = true;
        for (auto& c : connections_) {
            while (active_ >= kConnectingMax) wait_at_most(1000);
            began_ = 0;
            begin_operation(*c);
        }
        while (active_ > 0) wait_at_most(1000);
        tally_ = {};
    }

    // Each connection does one operation in `interval_s`, for `seconds`; then what is under way
    // ends.
    double run_paced(double seconds, double interval_s) {
        tally_ = {};
        operations_ = 1;
        open_ = true;
        const auto start = Clock::now();
        std::deque<std::pair<Clock::time_point, Connection*>> due;
        for (auto& c : connections_)
            due.emplace_back(start + duration_of(interval_s * c->number /
                                                 static_cast<double>(connections_.size())),
                             c.get());
        while (seconds_since(start) < seconds) {
            while (due.front().first <= Clock::now()) {
                auto [when, connection] = due.front();
                due.pop_front();
                due.emplace_back(when + duration_of(interval_s), connection);
                began_ = 0;
                if (connection->idle) begin_operation(*connection);
            }
            wait_at_most(1);
        }
        while (active_ > 0) wait_at_most(1000);
        return seconds_since(start);
    }

    Tally& tally() { return tally_; }

  private:
    void wait_at_most(int milliseconds) {
        epoll_event events[128];
        const int n = epoll_wait(epoll_, events, 128, milliseconds);
        for (int i = 0; i < n; ++i) advance(*static_cast<Connection*>(events[i].data.ptr));
    }

    void begin_operation(Connection& c) {
        if (!open_ || (operations_ > 0 && began_ == operations_)) {
            if (!c.idle) --active_;
            c.idle = true;
            return;
        }
        if (c.idle) ++active_;
        c.idle = false;
        ++began_;
        c.began = Clock::now();
        if (c.workload->reconnects()) c.client.reset();
        begin_request(c);
    }

    void begin_request(Connection& c) {
        if (!c.client) {
            c.client = std::make_unique<TlsClient>(context_.get(), address_, c.number);
            epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = &c}};
            epoll_ctl(epoll_, EPOLL_CTL_ADD, c.client->descriptor(), &event);
        }
        c.response = {};
        c.client->start(c.workload->request());
        c.sending = true;
        advance(c);
    }

    void advance(Connection& c) {
        if (c.idle || !c.client) return;
        if (c.sending) {
            const Io sent = c.client->send();
            if (sent == Io::kClosed)
                fail(c, "the server closed the connection while a request was sent");
            if (sent != Io::kDone) return;
            c.sending = false;
        }
        for (;;) {
            std::size_t size = 0;
            const Io got = c.client->receive(buffer_, sizeof buffer_, &size);
            if (got == Io::kClosed) fail(c, "the server closed the connection before it answered");
            if (got != Io::kDone) return;
            if (c.response.feed({buffer_, size})) break;
        }
        tally_.bytes += c.response.body_bytes();
        switch (c.workload->answered(c.response)) {
            case Next::kWrong:
                fail(c, "an answer was not what it should be");
            case Next::kMore:
                return begin_request(c);
            case Next::kOperationDone:
                tally_.latencies_s.push_back(seconds_since(c.began));
                return begin_operation(c);
        }
    }

    [[noreturn]] void fail(const Connection& c, const char* what) {
        std::fprintf(stderr, "bench_load: %s: status %d, body %s\n", what, c.response.status(),
                     c.response.body_start().substr(0, 300).c_str());
        std::exit(1);
    }

    Address address_;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
    int epoll_;
    std::vector<std::unique_ptr<Connection>> connections_;
    Tally tally_;
    bool open_ = false;
    std::uint64_t operations_ = 0;
    std::uint64_t began_ = 0;
    int active_ = 0;
    char buffer_[1 << 18];
};

double own_cpu_s() {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double at(const std::vector<double>& sorted, double share) {
    if (sorted.empty()) return 0;
    return sorted[std::min(sorted.size() - 1,
                           static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

int main_with(const Address& address, Wish wish, std::map<std::string, std::string> options) {
    wish.authorization = options["authorization"];
    wish.path = options["path"];
    wish.range = options["range"];
    wish.share_bytes = std::strtoull(options["bytes"].c_str(), nullptr, 10);
    wish.seed = std::strtoull(options["seed"].c_str(), nullptr, 10);
    wish.host = address.host + ":" + std::to_string(address.port);
    auto load = std::make_unique<Load>(address, wish,
                                       std::max(1, std::atoi(options["connections"].c_str())));
    const double warmup_s = std::atof(options["warmup"].c_str());
    const double seconds_wanted = std::atof(options["seconds"].c_str());
    const double interval_s = std::atof(options["interval"].c_str());
    if (interval_s > 0) {
        load->run_each_once();
    } else if (warmup_s > 0) {
        load->run(warmup_s, 0);
    }

    std::printf("go\n");
    std::fflush(stdout);
    if (std::getchar() == EOF) return 1;
    const double cpu = own_cpu_s();
    const double seconds =
        interval_s > 0
            ? load->run_paced(seconds_wanted, interval_s)
            : load->run(seconds_wanted, std::strtoull(options["operations"].c_str(), nullptr, 10));
    auto& latencies = load->tally().latencies_s;
    std::ranges::sort(latencies);
    std::printf(
        "{\"operations\": %zu, \"seconds\": %.6f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"bytes\": "
        "%llu, "
        "\"load_cpu_s\": %.4f}\n",
        latencies.size(), seconds, at(latencies, 0.5) * 1e3, at(latencies, 0.99) * 1e3,
        static_cast<unsigned long long>(load->tally().bytes), own_cpu_s() - cpu);
    return 0;
}

}  // namespace
}  // namespace s4::bench

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: bench_load HOST PORT OPERATION [name=value ...]\n");
        return 2;
    }
    std::map<std::string, std::string> options;
    for (int i = 4; i < argc; ++i) {
        const std::string option = argv[i];
        const std::size_t sign = option.find('=');
        if (sign == std::string::npos) {
            std::fprintf(stderr, "bench_load: '%s' is not name=value\n", argv[i]);
            return 2;
        }
        options[option.substr(0, sign)] = option.substr(sign + 1);
    }
    s4::bench::Wish wish;
    wish.operation = argv[3];
    return s4::bench::main_with({argv[1], static_cast<std::uint16_t>(std::atoi(argv[2]))}, wish,
                                options);
}
