// Trace: a running hash over everything that happened in a world, in order. Two runs of a seed with
// the same hash were the same run. With a sink it also tells what happened, for a person.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "rt/sim/timeline.h"

namespace s4::rt::sim {

class Trace {
  public:
    explicit Trace(const Timeline& timeline) : timeline_(timeline) {}

    // `what` is a literal: the kind of event; the rest its details.
    void note(std::string_view what, std::string_view subject, std::uint64_t number = 0,
              ByteView bytes = {});
    std::uint64_t hash() const { return hash_; }
    void set_sink(std::function<void(const std::string& line)> sink) { sink_ = std::move(sink); }

  private:
    void mix(std::uint64_t word);
    void mix(ByteView bytes);

    const Timeline& timeline_;
    std::uint64_t hash_ = 0xcbf29ce484222325;
    std::function<void(const std::string&)> sink_;
};

}  // namespace s4::rt::sim
