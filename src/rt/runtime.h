// Runtime: everything of the outside world that a service is given, in one struct of references.
// Made by a backend, which outlives every service. `writer` is a pool of one thread for the
// database's writer; `pool` has several for the rest.
#pragma once

#include "rt/files.h"
#include "rt/pool.h"
#include "rt/reactor.h"
#include "rt/stream.h"

namespace s4::crypto {
class Random;
}

namespace s4::rt {

struct Runtime {
    Reactor& reactor;
    Network& network;
    Files& files;
    Pool& pool;
    Pool& writer;
    crypto::Random& random;
};

}  // namespace s4::rt
