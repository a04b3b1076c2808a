// What a connection costs: a handshake of both ends, a small request with its answer, and bulk
// data.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "crypto/random.h"
#include "proto/tls/engine.h"

namespace s4::proto::tls {
namespace {

struct Ends {
    Engine client;
    Engine server;

    void carry(Engine& from, Engine& to) {
        to.feed(from.output());
        from.output_sent(from.output().size());
    }
    void shake() {
        for (bool done = false; !done;) {
            const auto c = client.handshake();
            carry(client, server);
            const auto s = server.handshake();
            carry(server, client);
            CHECK(c && s, "both ends agree");
            done = *c == Engine::Progress::done && *s == Engine::Progress::done;
        }
    }
};

class Maker {
  public:
    Ends make() {
        return {*Engine::client(library_, nullptr,
                                PeerPolicy::pinned_key(own_.certificate.spki_hash_bytes())),
                *Engine::server(library_, own_, PeerPolicy::anonymous())};
    }

  private:
    crypto::SystemRandom random_;
    crypto::TlsIdentity own_ = crypto::TlsIdentity::generate(random_, 0);
    Library library_ = *Library::create();
};

void handshake_of_both_ends(benchmark::State& state) {
    Maker maker;
    for (auto _ : state) maker.make().shake();
}
BENCHMARK(handshake_of_both_ends);

void carry_bytes(benchmark::State& state) {
    Maker maker;
    Ends ends = maker.make();
    ends.shake();
    const ByteBuffer data(static_cast<std::size_t>(state.range(0)), 'x');
    ByteBuffer out(data.size());
    for (auto _ : state) {
        CHECK(ends.server.write(data), "it is written");
        ends.carry(ends.server, ends.client);
        std::size_t got = 0;
        while (got < data.size()) got += ends.client.read(out)->bytes;
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(data.size()) *
                            static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(carry_bytes)->Arg(300)->Arg(64 * 1024);

}  // namespace
}  // namespace s4::proto::tls
