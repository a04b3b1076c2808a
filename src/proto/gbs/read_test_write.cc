#include "proto/gbs/read_test_write.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/check.h"
#include "codec/cbor.h"
#include "proto/gbs/limits.h"

namespace s4::proto::gbs {

namespace cbor = codec::cbor;
using cbor::EventKind;

namespace {

std::unexpected<Error> bad(std::string sentence) {
    return fail(ErrorKind::invalid, "gbs.bad_body", std::move(sentence));
}

std::unexpected<Error> too_many(std::string_view path, std::size_t max) {
    return bad(fmt::format("There must be between 0 and {} items at {}", max, path));
}

template <typename Key>
constexpr std::uint32_t bit(Key key) {
    return 1u << static_cast<unsigned>(key);
}

// No more of memory than this is set aside on the word of a peer.
constexpr std::size_t kReserveBytesMax = 4096;

}  // namespace

ReadTestWriteParser::ReadTestWriteParser() : in_(cbor::Limits{.text_bytes_max = 64}) {}

// ---- the schema

std::string_view ReadTestWriteParser::name_of(Key key) {
    static constexpr std::array<std::string_view, 10> kNames{
        "",     "test-write-vectors", "read-vector", "test", "write", "new-length", "offset",
        "size", "specimen",           "data"};
    return kNames[static_cast<std::size_t>(key)];
}

std::string_view ReadTestWriteParser::path_of(Place place) {
    switch (place) {
        case Place::start:
        case Place::root:
        case Place::finished:
            return "/";
        case Place::vectors:
            return "/test-write-vectors";
        case Place::share:
            return "/test-write-vectors/*";
        case Place::tests:
            return "/test-write-vectors/*/test";
        case Place::test:
            return "/test-write-vectors/*/test/*";
        case Place::writes:
            return "/test-write-vectors/*/write";
        case Place::write:
            return "/test-write-vectors/*/write/*";
        case Place::reads:
            return "/read-vector";
        case Place::read:
            return "/read-vector/*";
    }
    UNREACHABLE("every place has its path");
}

ReadTestWriteParser::Place ReadTestWriteParser::above(Place place) {
    switch (place) {
        case Place::start:
        case Place::root:
        case Place::finished:
            return Place::finished;
        case Place::vectors:
        case Place::reads:
            return Place::root;
        case Place::share:
            return Place::vectors;
        case Place::tests:
        case Place::writes:
            return Place::share;
        case Place::test:
            return Place::tests;
        case Place::write:
            return Place::writes;
        case Place::read:
            return Place::reads;
    }
    UNREACHABLE("every place has one above it");
}

// The keys that a map must have; 0 for what is no map of named keys.
std::uint32_t ReadTestWriteParser::keys_of(Place place) {
    switch (place) {
        case Place::root:
            return bit(Key::test_write_vectors) | bit(Key::read_vector);
        case Place::share:
            return bit(Key::test) | bit(Key::write) | bit(Key::new_length);
        case Place::test:
            return bit(Key::offset) | bit(Key::size) | bit(Key::specimen);
        case Place::write:
            return bit(Key::offset) | bit(Key::data);
        case Place::read:
            return bit(Key::offset) | bit(Key::size);
        case Place::start:
        case Place::vectors:
        case Place::tests:
        case Place::writes:
        case Place::reads:
        case Place::finished:
            return 0;
    }
    UNREACHABLE("every place has its keys");
}

std::uint32_t& ReadTestWriteParser::seen() {
    if (place_ == Place::root) return seen_root_;
    return place_ == Place::share ? seen_share_ : seen_vector_;
}

// ---- events

Result<ReadTestWriteParser::Event> ReadTestWriteParser::next() {
    for (;;) {
        const auto event = in_.next();
        if (!event) return bad("The body is not CBOR: " + event.error().message());
        if (event->kind == EventKind::need_more) return Event{};
        if (event->kind == EventKind::done) return Event{.what = Event::What::done};
        if (const auto out = TRY(take_event(*event))) return *out;
    }
}

Result<void> ReadTestWriteParser::finish() const {
    const auto finished = in_.finish();
    if (!finished) return bad("The body is not complete: " + finished.error().message());
    return ok();
}

Result<std::optional<ReadTestWriteParser::Event>> ReadTestWriteParser::take_event(
    const cbor::Event& event) {
    if (key_ == Key::data) return take_data(event);
    if (key_ == Key::specimen) {
        TRY(take_specimen(event));
    } else if (key_ != Key::none) {
        TRY(take_value(event));
    } else if (event.kind == EventKind::end) {
        TRY(close());
    } else if (keys_of(place_) != 0) {
        TRY(take_key(event));
    } else {
        TRY(take_item(event));
    }
    return std::nullopt;
}

Result<void> ReadTestWriteParser::take_key(const cbor::Event& event) {
    if (event.kind != EventKind::text) return refuse(event, "a text as key");
    for (auto key = Key::test_write_vectors; key <= Key::data;
         key = static_cast<Key>(std::to_underlying(key) + 1)) {
        if (!(keys_of(place_) & bit(key)) || name_of(key) != event.text) continue;
        if (seen() & bit(key))
            return bad(
                fmt::format("The key \"{}\" comes twice at {}", event.text, path_of(place_)));
        seen() |= bit(key);
        key_ = key;
        return ok();
    }
    return bad(fmt::format("There is a key at {} that is not expected there", path_of(place_)));
}

// An item of a map from share numbers, or of an array of vectors.
Result<void> ReadTestWriteParser::take_item(const cbor::Event& event) {
    if (place_ == Place::vectors && !share_expected_) return take_share_number(event);
    if (event.kind != EventKind::map_begin) return refuse(event, "a map");
    share_expected_ = false;
    switch (place_) {
        case Place::start:
            return open(Place::root);
        case Place::vectors:
            return open(Place::share);
        case Place::tests:
            if (share_->tests.size() >= kTestVectorsMax)
                return too_many(path_of(place_), kTestVectorsMax);
            share_->tests.emplace_back();
            return open(Place::test);
        case Place::writes:
            if (++write_vectors_ > kWriteVectorsMax)
                return fail(ErrorKind::too_large, "gbs.too_many_vectors",
                            fmt::format("There are more than {} write vectors", kWriteVectorsMax));
            share_->writes.emplace_back();
            return open(Place::write);
        case Place::reads:
            if (request_.reads.size() >= kReadVectorsMax)
                return too_many(path_of(place_), kReadVectorsMax);
            return open(Place::read);
        case Place::root:
        case Place::share:
        case Place::test:
        case Place::write:
        case Place::read:
        case Place::finished:
            break;
    }
    UNREACHABLE("maps with named keys, and what follows the document, do not come here");
}

Result<void> ReadTestWriteParser::take_share_number(const cbor::Event& event) {
    if (event.kind != EventKind::unsigned_int) return refuse(event, "a share number");
    if (event.number > kShareNumberMax)
        return bad(fmt::format("A share number is above {}", kShareNumberMax));
    if (request_.shares.size() >= kSlotSharesMax) return too_many(path_of(place_), kSlotSharesMax);
    const auto [entry, is_new] =
        request_.shares.try_emplace(static_cast<ShareNumber>(event.number));
    if (!is_new) return bad(fmt::format("Share {} comes twice", event.number));
    share_ = &entry->second;
    share_expected_ = true;
    return ok();
}

Result<void> ReadTestWriteParser::take_value(const cbor::Event& event) {
    const Key key = std::exchange(key_, Key::none);
    switch (key) {
        case Key::test_write_vectors:
            if (event.kind != EventKind::map_begin) return refuse(event, "a map");
            return open(Place::vectors);
        case Key::read_vector:
        case Key::test:
        case Key::write:
            if (event.kind != EventKind::array_begin) return refuse(event, "an array");
            return open(key == Key::read_vector ? Place::reads
                        : key == Key::test      ? Place::tests
                                                : Place::writes);
        case Key::new_length:
            if (event.kind == EventKind::null) return ok();
            if (event.kind != EventKind::unsigned_int)
                return refuse(event, "an unsigned integer or null");
            share_->new_length = event.number;
            return ok();
        case Key::offset:
        case Key::size:
            if (event.kind != EventKind::unsigned_int) return refuse(event, "an unsigned integer");
            (key == Key::offset ? span_.offset : span_.size) = event.number;
            return ok();
        case Key::none:
        case Key::specimen:
        case Key::data:
            break;
    }
    UNREACHABLE("byte strings do not come here");
}

Result<void> ReadTestWriteParser::take_specimen(const cbor::Event& event) {
    ByteBuffer& specimen = share_->tests.back().specimen;
    switch (event.kind) {
        case EventKind::bytes_begin:
            if (event.size)
                specimen.reserve(std::min<std::uint64_t>(*event.size, kReserveBytesMax));
            return ok();
        case EventKind::bytes_chunk:
            specimen_bytes_ += event.bytes.size();
            if (specimen_bytes_ > kSpecimenBytesMax)
                return fail(
                    ErrorKind::too_large, "gbs.too_many_vectors",
                    fmt::format("The specimens have more than {} bytes", kSpecimenBytesMax));
            append(specimen, event.bytes);
            return ok();
        case EventKind::bytes_end:
            key_ = Key::none;
            return ok();
        default:
            return refuse(event, "a byte string");
    }
}

Result<std::optional<ReadTestWriteParser::Event>> ReadTestWriteParser::take_data(
    const cbor::Event& event) {
    WriteVector& vector = share_->writes.back();
    switch (event.kind) {
        case EventKind::bytes_begin:
            vector.data_at = data_bytes_;
            return std::nullopt;
        case EventKind::bytes_chunk:
            vector.data_size += event.bytes.size();
            data_bytes_ += event.bytes.size();
            return Event{.what = Event::What::data, .bytes = event.bytes};
        case EventKind::bytes_end:
            key_ = Key::none;
            return std::nullopt;
        default:
            TRY(refuse(event, "a byte string"));
            return std::nullopt;
    }
}

Result<void> ReadTestWriteParser::open(Place place) {
    place_ = place;
    if (keys_of(place) != 0) seen() = 0;
    if (place == Place::test || place == Place::write || place == Place::read) span_ = {};
    return ok();
}

Result<void> ReadTestWriteParser::close() {
    if (place_ == Place::start || place_ == Place::finished || share_expected_)
        return bad("The body is not a map");
    const std::uint32_t missing = keys_of(place_) & ~(keys_of(place_) != 0 ? seen() : 0);
    for (auto key = Key::test_write_vectors; key <= Key::data;
         key = static_cast<Key>(std::to_underlying(key) + 1))
        if (missing & bit(key))
            return bad(
                fmt::format("The key \"{}\" is missing at {}", name_of(key), path_of(place_)));
    if (place_ == Place::test) {
        share_->tests.back().offset = span_.offset;
        share_->tests.back().size = span_.size;
    }
    if (place_ == Place::write) share_->writes.back().offset = span_.offset;
    if (place_ == Place::read) request_.reads.push_back(span_);
    place_ = above(place_);
    return ok();
}

Result<void> ReadTestWriteParser::refuse(const cbor::Event& event,
                                         std::string_view expected) const {
    return bad(fmt::format("At {} there is {} where {} is expected", path_of(place_),
                           cbor::name_of(event.kind), expected));
}

// ---- the client's side, and the answer

ByteBuffer encode(const ReadTestWriteRequest& request, ByteView gathered) {
    cbor::Writer out;
    out.begin_map(2).text("test-write-vectors").begin_map(request.shares.size());
    for (const auto& [share, vectors] : request.shares) {
        out.unsigned_int(share).begin_map(3).text("test").begin_array(vectors.tests.size());
        for (const TestVector& test : vectors.tests) {
            out.begin_map(3).text("offset").unsigned_int(test.offset);
            out.text("size").unsigned_int(test.size).text("specimen").bytes(test.specimen);
        }
        out.text("write").begin_array(vectors.writes.size());
        for (const WriteVector& write : vectors.writes) {
            out.begin_map(2).text("offset").unsigned_int(write.offset);
            out.text("data").bytes(gathered.subspan(write.data_at, write.data_size));
        }
        out.text("new-length");
        vectors.new_length ? out.unsigned_int(*vectors.new_length) : out.null();
    }
    out.text("read-vector").begin_array(request.reads.size());
    for (const ReadVector& read : request.reads)
        out.begin_map(2)
            .text("offset")
            .unsigned_int(read.offset)
            .text("size")
            .unsigned_int(read.size);
    return out.take();
}

ReadTestWriteFrame frame_answer(bool success, const std::vector<ShareSizes>& shares) {
    ReadTestWriteFrame frame;
    cbor::Writer out;
    const auto cut = [&] {
        frame.total_bytes += out.size();
        frame.glue.push_back(out.take());
    };
    out.begin_map(2).text("success").boolean(success).text("data").begin_map(shares.size());
    for (const ShareSizes& share : shares) {
        out.unsigned_int(share.share).begin_array(share.items.size());
        for (const std::uint64_t size : share.items) {
            out.bytes_head(size);
            cut();
            frame.total_bytes += size;
        }
    }
    cut();
    return frame;
}

}  // namespace s4::proto::gbs
