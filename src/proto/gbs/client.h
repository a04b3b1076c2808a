// The client's side: requests as Tahoe 1.20's client makes them (reference D.3, D.9, D.10), and
// what it takes for an answer. Used by the probe that checks a grid from outside, the benchmarks,
// the simulator and the tests; whoever has it sends the requests with an HTTP client.
//
// Sans-I/O; a Client is a value that may be used from one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "proto/gbs/headers.h"
#include "proto/gbs/messages.h"
#include "proto/gbs/nurl.h"
#include "proto/gbs/read_test_write.h"
#include "proto/gbs/routes.h"
#include "proto/http1/message.h"

namespace s4::proto::gbs {

struct ClientRequest {
    Route route = Route::version;
    http1::Method method = http1::Method::get;
    std::string target;
    // Header lines but Host and Content-Length, which the HTTP client adds.
    std::vector<std::pair<std::string, std::string>> fields;
    ByteBuffer body;
};

struct LeaseSecrets {
    Secret renew;
    Secret cancel;
};

class Client {
  public:
    explicit Client(const Secret& swissnum) : authorization_(authorization_value(swissnum)) {}

    ClientRequest version() const;
    ClientRequest add_lease(const StorageIndex& index, const LeaseSecrets& lease) const;
    ClientRequest allocate(const StorageIndex& index, const LeaseSecrets& lease,
                           const Secret& upload, const AllocateRequest& body) const;
    ClientRequest write(const StorageIndex& index, ShareNumber share, const Secret& upload,
                        std::uint64_t offset, ByteBuffer data) const;  // data is not empty
    ClientRequest abort(const StorageIndex& index, ShareNumber share, const Secret& upload) const;
    // `route` is the one of the kind of share: immutable_* or mutable_*.
    ClientRequest list(Route route, const StorageIndex& index) const;
    ClientRequest read(Route route, const StorageIndex& index, ShareNumber share,
                       std::optional<Span> span) const;
    ClientRequest advise_corrupt(Route route, const StorageIndex& index, ShareNumber share,
                                 std::string_view reason) const;
    ClientRequest read_test_write(const StorageIndex& index, const Secret& write_enabler,
                                  const LeaseSecrets& lease, const ReadTestWriteRequest& request,
                                  ByteView gathered) const;

  private:
    ClientRequest make(const Target& target) const;

    std::string authorization_;
};

// Answers. Each checks status and type as Tahoe's client does. Errors: gbs.refused with the status
// and the server's text (kind by status: 401 unauthorized, 404 not_found, 409 conflict, 413
// too_large, 507 no_space, other 5xx unavailable, else invalid), gbs.bad_answer, gbs.bad_body.
using AnswerHead = http1::ResponseHead;

Result<VersionAnswer> read_version(const AnswerHead& head, ByteView body);
Result<void> read_lease(const AnswerHead& head, ByteView body);
Result<AllocateAnswer> read_allocate(const AnswerHead& head, ByteView body);
struct WriteResult {
    bool complete = false;
    std::vector<Missing> required;
};
Result<WriteResult> read_write(const AnswerHead& head, ByteView body);
Result<void> read_empty(const AnswerHead& head, ByteView body);  // abort, corrupt
Result<std::vector<ShareNumber>> read_list(const AnswerHead& head, ByteView body);
// The bytes themselves are the body; empty when the range lies past the end. `asked` is what the
// request had.
Result<ByteBuffer> read_share(const AnswerHead& head, ByteBuffer body, std::optional<Span> asked);
Result<ReadTestWriteAnswer> read_read_test_write(const AnswerHead& head, ByteView body);

}  // namespace s4::proto::gbs
