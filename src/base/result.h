// Result<T>: how the outside world's failures travel. What the programmer got wrong is a CHECK
// (check.h), not an Error.
//
// An Error has a kind (what the caller may do about it), a code of its module
// ("storage.conflicting_write", a literal, so that it can be searched for and compared), a
// sentence, and the context that callers added on the way up.
//
//   Result<Share> load(Id id) {
//       ByteBuffer raw = TRY(read_file(path(id)));        // returns the Error to our caller
//       return parse(raw);
//   }
//   Task<Result<void>> f() { CO_TRY(co_await g()); co_return ok(); }
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace s4 {

// What kind of failure it was, as far as a caller may act on it. Edges map kinds to statuses; see
// docs/failures.md.
enum class ErrorKind : std::uint8_t {
    invalid,       // the input breaks a rule; the message says which and what would be right
    unauthorized,  // a secret or a signature does not match
    not_found,
    conflict,     // contradicts what is there (other bytes, a taken name, a lost race)
    too_large,    // over a named limit
    no_space,     // quota or disk
    unavailable,  // not now; the same request may succeed later
    timeout,
    cancelled,
    closed,   // the peer or the stream is gone
    corrupt,  // what is at rest fails its checksum or its format
    io,       // the operating system refused
    unsupported,
};

class [[nodiscard]] Error {
  public:
    // `code` must be a literal or otherwise live for ever.
    Error(ErrorKind kind, std::string_view code, std::string message)
        : kind_(kind), code_(code), message_(std::move(message)) {}

    ErrorKind kind() const { return kind_; }
    std::string_view code() const { return code_; }
    const std::string& message() const { return message_; }
    bool is(std::string_view code) const { return code_ == code; }

    // Whether the same request may succeed when it is made again.
    bool retry_makes_sense() const {
        return kind_ == ErrorKind::unavailable || kind_ == ErrorKind::timeout ||
               kind_ == ErrorKind::closed || kind_ == ErrorKind::io;
    }

    // Adds what the caller was doing ("open the database /x/y"), outermost last.
    Error with(std::string context) && {
        context_.push_back(std::move(context));
        return std::move(*this);
    }

    // For people: "start the gate: open the certificate: file not found".
    std::string sentence() const;
    // For logs: the same with the code, "... file not found [files.not_found]".
    std::string to_string() const;

  private:
    ErrorKind kind_;
    std::string_view code_;
    std::string message_;
    std::vector<std::string> context_;
};

std::string_view to_string(ErrorKind kind);

template <typename T = void>
using Result = std::expected<T, Error>;

inline Result<void> ok() {
    return {};
}

inline std::unexpected<Error> fail(ErrorKind kind, std::string_view code, std::string message) {
    return std::unexpected(Error(kind, code, std::move(message)));
}
inline std::unexpected<Error> fail(Error error) {
    return std::unexpected(std::move(error));
}

namespace detail {
template <typename T>
T take(Result<T>&& result) {
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace detail

}  // namespace s4

// The value of a Result, or an early return of its Error.
#define TRY(expression)                                                                 \
    ({                                                                                  \
        auto s4_try_result_ = (expression);                                             \
        if (!s4_try_result_) return std::unexpected(std::move(s4_try_result_).error()); \
        ::s4::detail::take(std::move(s4_try_result_));                                  \
    })

// The same in a coroutine.
#define CO_TRY(expression)                                                                 \
    ({                                                                                     \
        auto s4_try_result_ = (expression);                                                \
        if (!s4_try_result_) co_return std::unexpected(std::move(s4_try_result_).error()); \
        ::s4::detail::take(std::move(s4_try_result_));                                     \
    })
