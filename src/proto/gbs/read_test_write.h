// The body of read-test-write, which may be as large as a mutable file: parsed as it comes, so that
// only its skeleton is held, while the data goes to whoever gathers it; and its answer, whose data
// is sent as it is read.
//
//   ReadTestWriteParser parser;
//   for each piece of the body:
//       parser.feed(piece);
//       while ((event = TRY(parser.next())).what != need_more)
//           if data: gather event.bytes, in order, behind what was gathered before
//           if done: what follows of the body is ignored
//   TRY(parser.finish());
//   parser.take(): the vectors, which name their data by its place in what was gathered
//
// Sans-I/O; one parser reads one body. Errors: gbs.bad_body (invalid), gbs.too_many_vectors
// (too_large).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/cbor_stream.h"
#include "proto/gbs/routes.h"

namespace s4::proto::gbs {

struct ReadVector {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    friend bool operator==(const ReadVector&, const ReadVector&) = default;
};

struct TestVector {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    ByteBuffer specimen;
    friend bool operator==(const TestVector&, const TestVector&) = default;
};

struct WriteVector {
    std::uint64_t offset = 0;
    std::uint64_t data_at = 0;  // the place of its first byte among all data of the request
    std::uint64_t data_size = 0;
    friend bool operator==(const WriteVector&, const WriteVector&) = default;
};

struct ShareVectors {
    std::vector<TestVector> tests;
    std::vector<WriteVector> writes;
    std::optional<std::uint64_t> new_length;
    friend bool operator==(const ShareVectors&, const ShareVectors&) = default;
};

struct ReadTestWriteRequest {
    std::map<ShareNumber, ShareVectors> shares;
    std::vector<ReadVector> reads;
    friend bool operator==(const ReadTestWriteRequest&, const ReadTestWriteRequest&) = default;
};

class ReadTestWriteParser {
  public:
    struct Event {
        enum class What : std::uint8_t { need_more, data, done };
        What what = What::need_more;
        ByteView bytes = {};  // of data: borrowed from the piece fed last, never empty
    };

    ReadTestWriteParser();

    void feed(ByteView piece) { in_.feed(piece); }
    Result<Event> next();
    // After the last piece: whether the body was complete.
    Result<void> finish() const;

    // How much data there has been so far.
    std::uint64_t data_bytes() const { return data_bytes_; }
    ReadTestWriteRequest take() { return std::move(request_); }

  private:
    // Where in the document the next event stands. Each place has one place above it, so no stack
    // is needed.
    enum class Place : std::uint8_t {
        start,
        root,     // {"test-write-vectors", "read-vector"}
        vectors,  // share number => share
        share,    // {"test", "write", "new-length"}
        tests,
        test,  // {"offset", "size", "specimen"}
        writes,
        write,  // {"offset", "data"}
        reads,
        read,  // {"offset", "size"}
        finished,
    };
    enum class Key : std::uint8_t {
        none,
        test_write_vectors,
        read_vector,
        test,
        write,
        new_length,
        offset,
        size,
        specimen,
        data,
    };

    Result<std::optional<Event>> take_event(const codec::cbor::Event& event);
    Result<void> take_key(const codec::cbor::Event& event);
    Result<void> take_share_number(const codec::cbor::Event& event);
    Result<void> take_item(const codec::cbor::Event& event);
    Result<void> take_value(const codec::cbor::Event& event);
    Result<void> take_specimen(const codec::cbor::Event& event);
    Result<std::optional<Event>> take_data(const codec::cbor::Event& event);
    Result<void> open(Place place);
    Result<void> close();
    Result<void> refuse(const codec::cbor::Event& event, std::string_view expected) const;

    static std::uint32_t keys_of(Place place);
    static std::string_view name_of(Key key);
    static std::string_view path_of(Place place);
    static Place above(Place place);
    std::uint32_t& seen();

    codec::cbor::StreamReader in_;
    Place place_ = Place::start;
    Key key_ = Key::none;          // whose value comes next
    bool share_expected_ = false;  // a share number was read, its map comes next
    std::uint32_t seen_root_ = 0;  // keys seen of the maps that are open
    std::uint32_t seen_share_ = 0;
    std::uint32_t seen_vector_ = 0;

    ReadTestWriteRequest request_;
    ShareVectors* share_ = nullptr;  // into request_
    ReadVector span_;                // offset and size of the vector being read
    std::uint64_t data_bytes_ = 0;
    std::size_t specimen_bytes_ = 0;
    std::size_t write_vectors_ = 0;
};

// A request whose data is at hand, for clients: `data` of each write vector lies at data_at in
// `gathered`.
ByteBuffer encode(const ReadTestWriteRequest& request, ByteView gathered);

// The answer in the order in which it is sent: glue, item, glue, item, ..., glue. The items are the
// data of all shares in turn; only their sizes are needed here, so that the length of the answer is
// known before anything is read.
struct ReadTestWriteFrame {
    std::vector<ByteBuffer> glue;  // one more than there are items
    std::uint64_t total_bytes = 0;
};
struct ShareSizes {
    ShareNumber share = 0;
    std::vector<std::uint64_t> items = {};
};
ReadTestWriteFrame frame_answer(bool success, const std::vector<ShareSizes>& shares);

}  // namespace s4::proto::gbs
