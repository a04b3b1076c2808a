#include "rt/sim/trace.h"

#include <fmt/format.h>

#include <cstring>

namespace s4::rt::sim {

void Trace::mix(std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9fb21c651e98df25;
    hash_ ^= hash_ >> 28;
}

void Trace::mix(ByteView bytes) {
    mix(bytes.size());
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + i, std::min<std::size_t>(8, bytes.size() - i));
        mix(word);
    }
}

void Trace::note(std::string_view what, std::string_view subject, std::uint64_t number,
                 ByteView bytes) {
    mix(static_cast<std::uint64_t>(timeline_.now().time_since_epoch().count()));
    mix(as_bytes(what));
    mix(as_bytes(subject));
    mix(number);
    mix(bytes);
    if (!sink_) return;
    const double seconds =
        std::chrono::duration<double>(timeline_.now().time_since_epoch()).count();
    sink_(fmt::format("{:12.6f}  {:<10} {} {} ({} bytes)", seconds, what, subject, number,
                      bytes.size()));
}

}  // namespace s4::rt::sim
