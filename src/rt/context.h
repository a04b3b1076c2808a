// Context: the first parameter of whatever can wait. It carries the deadline, the cancellation and,
// for logs and limits, the grid and the trace it belongs to. A Context is cheap to copy; the
// CancelSource it points to outlives it (scope.h).
//
// Cancellation belongs to one reactor's thread: sources, tokens and registrations are not
// thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/id.h"
#include "base/result.h"
#include "base/units.h"

namespace s4::rt {

class CancelRegistration;

// The side that cancels. Cancelling is final, and runs every registered callback once, oldest
// first.
class CancelSource {
  public:
    CancelSource() = default;
    CancelSource(const CancelSource&) = delete;
    CancelSource& operator=(const CancelSource&) = delete;
    ~CancelSource();

    bool cancelled() const { return cancelled_; }
    void cancel();

  private:
    friend class CancelRegistration;

    CancelRegistration* first_ = nullptr;
    CancelRegistration* last_ = nullptr;
    bool* gone_ = nullptr;  // while cancel() runs: set if this is destroyed meanwhile
    bool cancelled_ = false;
};

// The side that is cancelled. A default token never is.
class CancelToken {
  public:
    CancelToken() = default;
    explicit CancelToken(CancelSource& source) : source_(&source) {}
    bool cancelled() const { return source_ != nullptr && source_->cancelled(); }

  private:
    friend class CancelRegistration;
    CancelSource* source_ = nullptr;
};

// Runs `callback` when the token's source is cancelled; at once if it already was; never after
// destruction.
class CancelRegistration {
  public:
    CancelRegistration(CancelToken token, std::move_only_function<void()> callback);
    CancelRegistration(const CancelRegistration&) = delete;
    CancelRegistration& operator=(const CancelRegistration&) = delete;
    ~CancelRegistration() { unlink(); }

  private:
    friend class CancelSource;
    void unlink();

    CancelSource* source_ = nullptr;
    CancelRegistration* previous_ = nullptr;
    CancelRegistration* next_ = nullptr;
    std::move_only_function<void()> callback_;
};

inline constexpr Instant kNoDeadline = Instant::max();

struct Context {
    Instant deadline = kNoDeadline;
    CancelToken cancel;
    GridId grid;
    std::uint64_t trace = 0;

    // The same with the earlier of both deadlines.
    Context until(Instant limit) const {
        Context out = *this;
        if (limit < out.deadline) out.deadline = limit;
        return out;
    }
    Context with_cancel(CancelToken token) const {
        Context out = *this;
        out.cancel = token;
        return out;
    }
    Context for_grid(GridId id) const {
        Context out = *this;
        out.grid = id;
        return out;
    }
};

inline Error cancelled_error() {
    return Error(ErrorKind::cancelled, "rt.cancelled", "the operation was cancelled");
}
inline Error deadline_error() {
    return Error(ErrorKind::timeout, "rt.deadline", "the operation did not end in time");
}

}  // namespace s4::rt
