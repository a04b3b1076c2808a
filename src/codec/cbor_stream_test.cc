#include "codec/cbor_stream.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "codec/cbor_oracle.h"

namespace s4::codec::cbor {
namespace {

// A random well-formed document: the generator decides lengths, forms and nesting from `choices`.
class Builder {
  public:
    explicit Builder(std::vector<std::uint32_t> choices) : choices_(std::move(choices)) {}

    ByteBuffer document() {
        item(0);
        return std::move(out_);
    }

  private:
    std::uint32_t choose(std::uint32_t n) {
        return at_ < choices_.size() ? choices_[at_++] % n : 0;
    }

    // A head in a form that may be longer than needed.
    void head(std::uint8_t major, std::uint64_t argument) {
        std::uint32_t info = argument < 24 ? choose(5) : 1 + choose(4);
        while (info > 0 && info < 4 && argument >> (8u << (info - 1)) != 0) ++info;
        const auto first = static_cast<std::uint8_t>(major << 5);
        if (info == 0) {
            out_.push_back(static_cast<std::uint8_t>(first | argument));
            return;
        }
        out_.push_back(static_cast<std::uint8_t>(first | (23 + info)));
        for (int shift = (8 << (info - 1)) - 8; shift >= 0; shift -= 8)
            out_.push_back(static_cast<std::uint8_t>(argument >> shift));
    }

    void string(std::uint8_t major) {
        if (choose(3) != 0) return chunk(major);
        out_.push_back(static_cast<std::uint8_t>(major << 5 | 31));
        for (std::uint32_t n = choose(4); n > 0; --n) chunk(major);
        out_.push_back(0xff);
    }
    void chunk(std::uint8_t major) {
        const std::uint32_t size = choose(40);
        head(major, size);
        for (std::uint32_t i = 0; i < size; ++i)
            out_.push_back(static_cast<std::uint8_t>(major == 2 ? choose(256) : 'a' + choose(26)));
    }

    void container(std::uint8_t major, int depth) {
        const std::uint32_t count = choose(5);
        const bool indefinite = choose(2) != 0;
        if (indefinite) {
            out_.push_back(static_cast<std::uint8_t>(major << 5 | 31));
        } else {
            head(major, count);
        }
        for (std::uint32_t i = 0; i < (major == 5 ? 2 * count : count); ++i) item(depth + 1);
        if (indefinite) out_.push_back(0xff);
    }

    void item(int depth) {
        constexpr std::uint8_t kOthers[] = {0xf4, 0xf5, 0xf6, 0xf7, 0xe5};
        switch (choose(depth < 8 ? 8 : 4)) {
            case 0:
                return head(0, choose(2) != 0 ? choose(1000) : std::uint64_t{choose(~0u)} << 20);
            case 1:
                return string(2);
            case 2:
                return string(3);
            case 3:
                return out_.push_back(kOthers[choose(5)]);
            case 4:
                head(6, choose(300));
                return item(depth + 1);
            case 5:
                return head(1, choose(100000));
            case 6:
                return container(4, depth);
            default:
                return container(5, depth);
        }
    }

    std::vector<std::uint32_t> choices_;
    std::size_t at_ = 0;
    ByteBuffer out_;
};

std::vector<std::uint32_t> choices() {
    return *rc::gen::scale(
        4.0, rc::gen::container<std::vector<std::uint32_t>>(rc::gen::arbitrary<std::uint32_t>()));
}

RC_GTEST_PROP(CborStream, AgreesWithTheWholeReaderAndLibcborOnGoodDocuments, ()) {
    const ByteBuffer document = Builder(choices()).document();
    const std::size_t piece = *rc::gen::inRange<std::size_t>(1, 20);
    const auto whole = oracle::read_whole(document);
    RC_ASSERT(whole.error == "");
    RC_ASSERT(whole.consumed == document.size());
    RC_ASSERT(oracle::read_stream(document, [&] { return piece; }) == whole);
    if (oracle::libcbor_knows(whole))
        RC_ASSERT(oracle::libcbor_consumed(document) == whole.consumed);
}

RC_GTEST_PROP(CborStream, AgreesWithTheWholeReaderOnDamagedDocuments, ()) {
    ByteBuffer document = Builder(choices()).document();
    const std::size_t at = *rc::gen::inRange<std::size_t>(0, document.size());
    if (*rc::gen::arbitrary<bool>()) {
        document.resize(at);
    } else {
        document[at] = *rc::gen::arbitrary<std::uint8_t>();
    }
    const auto whole = oracle::read_whole(document);
    const auto stream = oracle::read_stream(document, [] { return 1; });
    RC_ASSERT(stream.events == whole.events);
    RC_ASSERT(stream.error.empty() == whole.error.empty());
    if (whole.error.empty() && oracle::libcbor_knows(whole))
        RC_ASSERT(oracle::libcbor_consumed(document) == whole.consumed);
}

TEST(CborStream, DeliversALargeByteStringInBorrowedChunks) {
    constexpr std::uint64_t kSize = 100 * 1000 * 1000;
    Writer head;
    head.begin_map(1).text("data").bytes_head(kSize);
    const ByteBuffer piece(64 * 1024, 0x5a);
    StreamReader in;
    in.feed(head.view());
    EXPECT_EQ(in.next()->kind, EventKind::map_begin);
    EXPECT_EQ(in.next()->text, "data");
    const Event begin = in.next().value();
    EXPECT_EQ(begin.kind, EventKind::bytes_begin);
    EXPECT_EQ(begin.size, kSize);
    std::uint64_t received = 0;
    while (received < kSize) {
        ASSERT_EQ(in.next()->kind, EventKind::need_more);
        const auto n =
            static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), kSize - received));
        in.feed(ByteView(piece).first(n));
        const Event chunk = in.next().value();
        ASSERT_EQ(chunk.kind, EventKind::bytes_chunk);
        ASSERT_EQ(chunk.bytes.data(), piece.data());  // not copied
        received += chunk.bytes.size();
    }
    EXPECT_EQ(in.next()->kind, EventKind::bytes_end);
    EXPECT_EQ(in.next()->kind, EventKind::end);
    EXPECT_FALSE(in.finish());  // nobody has seen that it is complete
    EXPECT_EQ(in.next()->kind, EventKind::done);
    EXPECT_TRUE(in.finish());
    EXPECT_EQ(in.consumed(), head.size() + kSize);
}

TEST(CborStream, IgnoresWhatFollowsTheDocument) {
    const ByteBuffer document = {0x00, 0xff, 0xff};
    StreamReader in;
    in.feed(document);
    EXPECT_EQ(in.next()->kind, EventKind::unsigned_int);
    EXPECT_EQ(in.next()->kind, EventKind::done);
    in.feed(document);
    EXPECT_EQ(in.next()->kind, EventKind::done);
    EXPECT_EQ(in.consumed(), 1u);
}

TEST(CborStream, RefusesATextThatIsLongerThanItsLimit) {
    const auto code = [](std::string_view text_hex) {
        return oracle::read_stream(hex::decode(text_hex).value(), [] { return 1; },
                                   {.text_bytes_max = 4})
            .error;
    };
    EXPECT_EQ(code("6461626364"), "");
    EXPECT_EQ(code("656162636465"), "cbor.too_large");
    EXPECT_EQ(code("7bffffffffffffffff"), "cbor.too_large");
    EXPECT_EQ(code("7f626162626364ff"), "");
    EXPECT_EQ(code("7f62616263636465ff"), "cbor.too_large");
}

TEST(CborStream, KeepsItsFirstError) {
    const ByteBuffer document = {0x82, 0x1c, 0x00};
    StreamReader in;
    in.feed(document);
    EXPECT_EQ(in.next()->kind, EventKind::array_begin);
    EXPECT_EQ(in.next().error().code(), "cbor.malformed");
    EXPECT_EQ(in.next().error().code(), "cbor.malformed");
    EXPECT_EQ(in.finish().error().code(), "cbor.malformed");
}

TEST(CborStream, AnEmptyInputIsTruncated) {
    StreamReader in;
    EXPECT_EQ(in.next()->kind, EventKind::need_more);
    EXPECT_EQ(in.finish().error().code(), "cbor.truncated");
}

}  // namespace
}  // namespace s4::codec::cbor
