// Turns: who may change an index. Writes that the database decides alone share an index; a write
// that must move blobs between its decision and its commit has it to itself. First come, first
// served. An index that nobody wants costs nothing. Lives on the engine's reactor.
#pragma once

#include <cstddef>
#include <deque>
#include <unordered_map>

#include "rt/context.h"
#include "rt/reactor.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "storage/index_cache.h"

namespace s4::storage {

class Turns {
  public:
    enum class Mode : std::uint8_t { shared, alone };

    explicit Turns(rt::Reactor& reactor) : reactor_(reactor) {}
    Turns(const Turns&) = delete;
    Turns& operator=(const Turns&) = delete;

    class Turn {
      public:
        Turn(Turn&& other) noexcept
            : turns_(std::exchange(other.turns_, nullptr)), key_(other.key_), mode_(other.mode_) {}
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (turns_ != nullptr) turns_->release(key_, mode_);
        }

      private:
        friend class Turns;
        Turn(Turns& turns, const IndexKey& key, Mode mode)
            : turns_(&turns), key_(key), mode_(mode) {}

        Turns* turns_;
        IndexKey key_;
        Mode mode_;
    };

    // Fails with the context's end.
    rt::Task<Result<Turn>> take(const rt::Context& ctx, IndexKey key, Mode mode);
    std::size_t busy_indexes() const { return lines_.size(); }

  private:
    struct Waiter {
        Mode mode;
        rt::Event* called;
    };
    struct Line {
        std::size_t sharing = 0;
        bool alone = false;
        std::deque<Waiter> waiting;
    };

    static bool admits(const Line& line, Mode mode) {
        return !line.alone && (mode == Mode::shared || line.sharing == 0);
    }
    static void admit(Line& line, Mode mode) {
        if (mode == Mode::alone)
            line.alone = true;
        else
            ++line.sharing;
    }
    void release(const IndexKey& key, Mode mode);
    void call_next(Line& line);

    rt::Reactor& reactor_;
    std::unordered_map<IndexKey, Line, IndexKeyHash> lines_;
};

}  // namespace s4::storage
