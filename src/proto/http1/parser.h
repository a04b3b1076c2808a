// RequestParser and ResponseParser: HTTP/1.0 and 1.1 messages out of bytes as they come.
// Boost.Beast's incremental parser does the grammar; Strictness and Limits are ours.
//
// A parser belongs to one connection and reads one message after the other. The pump keeps the
// unconsumed bytes and shows them again, with more behind, after need_more:
//
//   for (;;) {
//       const Step step = TRY(parser.next(unconsumed));
//       drop step.consumed bytes from the front of unconsumed
//       switch (step.what) {
//           case need_more: read more behind what is left; continue
//           case head: parser.head() is complete
//           case body: step.body is the next piece (a view into the input that was shown)
//           case end:  the message is complete; parser.reset() before the next one
//       }
//   }
//
// Errors are of kind invalid, too_large or unsupported; code "http1.*"; status_for() says how a
// server answers. A parser that has failed stays failed: close the connection after the answer.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/http1/limits.h"
#include "proto/http1/message.h"
#include "proto/http1/strictness.h"

namespace s4::proto::http1 {

struct Step {
    enum class What : std::uint8_t { need_more, head, body, end };
    What what = What::need_more;
    std::size_t consumed = 0;
    ByteView body = {};
};

// The status that answers a request which could not be parsed: 400, 413, 414, 431, 501 or 505.
int status_for(const Error& error);

class RequestParser {
  public:
    explicit RequestParser(const Limits& limits = {}, const Strictness& strictness = {});
    RequestParser(RequestParser&&) noexcept;
    RequestParser& operator=(RequestParser&&) noexcept;
    ~RequestParser();

    Result<Step> next(ByteView input);
    const RequestHead& head() const;
    // Whether some byte of a message has been consumed and its end has not been told yet.
    bool in_message() const;
    void reset();

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

class ResponseParser {
  public:
    explicit ResponseParser(const Limits& limits = {}, const Strictness& strictness = {});
    ResponseParser(ResponseParser&&) noexcept;
    ResponseParser& operator=(ResponseParser&&) noexcept;
    ~ResponseParser();

    // Interim answers (1xx but 101) are passed over.
    Result<Step> next(ByteView input);
    // The stream has ended: the end of a message without a length, else an error.
    Result<Step> ended();
    const ResponseHead& head() const;
    // `request` says how the request that is being answered was made: an answer to HEAD has no
    // body.
    void reset(Method request);

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace s4::proto::http1
