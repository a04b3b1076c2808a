// The protocol's CBOR bodies (reference D.6): structs, parsers and encoders, one pair a message.
// Parsers take closed maps: a key that the schema does not have, or lacks, is an error. All errors
// have the code gbs.bad_body, kind invalid, and a sentence that says where and what.
//
// The body of read-test-write is in read_test_write.h, since it may be as large as a mutable file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/gbs/routes.h"

namespace s4::proto::gbs {

struct VersionAnswer {
    std::uint64_t immutable_share_bytes_max = 0;
    std::uint64_t mutable_share_bytes_max = 0;
    std::uint64_t available_bytes = 0;
    std::string application_version;
    friend bool operator==(const VersionAnswer&, const VersionAnswer&) = default;
};
ByteBuffer encode(const VersionAnswer& answer);
Result<VersionAnswer> parse_version_answer(ByteView body);

struct AllocateRequest {
    std::vector<ShareNumber> shares;  // as a set: sorted, each once
    std::uint64_t size = 0;
    friend bool operator==(const AllocateRequest&, const AllocateRequest&) = default;
};
ByteBuffer encode(const AllocateRequest& request);
Result<AllocateRequest> parse_allocate_request(ByteView body);

struct AllocateAnswer {
    std::vector<ShareNumber> already_have;
    std::vector<ShareNumber> allocated;
    friend bool operator==(const AllocateAnswer&, const AllocateAnswer&) = default;
};
ByteBuffer encode(const AllocateAnswer& answer);
Result<AllocateAnswer> parse_allocate_answer(ByteView body);

// What a write leaves missing, as [begin, end).
struct Missing {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    friend bool operator==(const Missing&, const Missing&) = default;
};
ByteBuffer encode_required(const std::vector<Missing>& required);
Result<std::vector<Missing>> parse_required(ByteView body);

ByteBuffer encode_share_list(const std::vector<ShareNumber>& shares);
Result<std::vector<ShareNumber>> parse_share_list(ByteView body);

ByteBuffer encode_reason(std::string_view reason);
Result<std::string> parse_reason(ByteView body);

// The answer to read-test-write, whole: for clients, which hold it. A server streams the data
// (read_test_write.h).
struct ReadTestWriteAnswer {
    bool success = false;
    std::map<ShareNumber, std::vector<ByteBuffer>> data;
    friend bool operator==(const ReadTestWriteAnswer&, const ReadTestWriteAnswer&) = default;
};
Result<ReadTestWriteAnswer> parse_read_test_write_answer(ByteView body);

}  // namespace s4::proto::gbs
