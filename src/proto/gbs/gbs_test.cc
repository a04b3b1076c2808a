#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "codec/base64.h"
#include "codec/cbor.h"
#include "proto/gbs/client.h"
#include "proto/gbs/limits.h"
#include "proto/gbs/messages.h"
#include "proto/gbs/nurl.h"
#include "proto/gbs/pieces_test.h"
#include "proto/gbs/read_test_write.h"
#include "proto/gbs/server.h"

namespace s4::proto::gbs {
namespace {

namespace cbor = codec::cbor;
using http1::Method;

// ---- NURLs

constexpr std::string_view kNurl =
    "pb://1fVkHGFIHXVAs1UgNmLPR3OvHVmpnKbDfAFEWWPyyN4@example.net:4433/swissnum234#v=1";

TEST(Nurl, what_is_parsed_is_written_again) {
    for (const std::string& text : {std::string(kNurl), "pb+tor" + std::string(kNurl.substr(2))}) {
        const auto nurl = Nurl::parse(text);
        ASSERT_TRUE(nurl) << nurl.error().to_string();
        EXPECT_EQ(nurl->host, "example.net");
        EXPECT_EQ(nurl->port, 4433);
        EXPECT_EQ(nurl->swissnum.reveal_text(), "swissnum234");
        EXPECT_EQ(nurl->to_text().reveal_text(), text);
    }
}

TEST(Nurl, refuses_what_no_client_would_take) {
    const auto with = [](std::string_view from, std::string_view to) {
        std::string text(kNurl);
        return text.replace(text.find(from), from.size(), to);
    };
    for (const std::string& text :
         {with("pb:", "http:"), with("#v=1", "#v=2"), with("#v=1", ""), with("#v=1", "#v=1&x"),
          with("4433", "0"), with("4433", "65536"), with("4433", "44x"), with(":4433", ""),
          with("example.net", ""), with("example.net", "[::1]"), with("1fVk", "1fV"),
          with("1fVk", "1fV="), with("swissnum234", ""), with("swissnum234", "swiss/num"),
          with("swissnum234", "swiss%20num"), std::string(kNurl) + std::string(2000, 'x'),
          std::string()}) {
        const auto nurl = Nurl::parse(text);
        ASSERT_FALSE(nurl) << text;
        EXPECT_EQ(nurl.error().code(), "gbs.bad_nurl");
        EXPECT_FALSE(nurl.error().to_string().contains("swissnum234"));
    }
}

// ---- routes

TEST(Routes, every_route_has_its_path_and_method) {
    StorageIndex index{};
    index[0] = 0xab;
    for (std::size_t i = 0; i < kRouteCount; ++i) {
        const auto route = static_cast<Route>(i);
        const std::string path = path_of({.route = route, .index = index, .share = 7});
        const RouteMatch matched = match(method_of(route), path);
        ASSERT_EQ(matched.what, RouteMatch::What::found) << path;
        EXPECT_EQ(matched.target.route, route) << path;
        if (route != Route::version) EXPECT_EQ(matched.target.index, index) << path;
        EXPECT_EQ(match(Method::delete_, path).what, RouteMatch::What::wrong_method) << path;
        EXPECT_EQ(match(method_of(route), path + "/").what, RouteMatch::What::no_such_path) << path;
        EXPECT_EQ(match(method_of(route), path + "x").what, RouteMatch::What::no_such_path) << path;
    }
    const std::string share = path_of({.route = Route::write, .index = index, .share = 7});
    EXPECT_EQ(match(Method::head, share).target.route, Route::immutable_read);
    EXPECT_EQ(match(Method::post, share).allow, "GET, HEAD, PATCH");
    EXPECT_EQ(match(Method::post, "/storage/v1/version").allow, "GET, HEAD");
}

TEST(Routes, refuses_other_paths) {
    const std::string si = "72okehjbuigv7aihvjibkbcne4";
    std::string upper = si;
    std::ranges::transform(upper, upper.begin(), ::toupper);
    for (const std::string& path :
         {std::string("/"), std::string("/storage/v1/nope"), "/storage/v1/immutable/" + upper,
          std::string("/storage/v1/immutable/short/shares"), "/storage/v1/immutable/" + si + "/1x",
          "/storage/v1/immutable/" + si + "/-1", "/storage/v1/immutable/" + si + "/",
          "/storage/v1/immutable/" + si + "/2147483648",
          "/storage/v1/immutable/" + si + "/1/shares", "/storage/v1/mutable/" + si,
          "/storage/v1/mutable/" + si + "/1/abort", "/storage/v1/lease/" + si + "/x",
          std::string("/storage/v2/version"), std::string("//storage/v1/version"),
          "/storage/v1/immutable/" + si.substr(0, 25) + "5"})
        EXPECT_EQ(match(Method::get, path).what, RouteMatch::What::no_such_path) << path;
    EXPECT_EQ(match(Method::get, "/storage/v1/immutable/" + si + "/2147483647").target.share,
              2147483647u);
}

// ---- header lines

http1::Fields fields(std::initializer_list<std::pair<const char*, std::string>> lines) {
    http1::Fields out;
    for (const auto& [name, value] : lines) out.add(name, value);
    return out;
}

const std::string kRenew = "lease-renew-secret " + codec::base64::encode(ByteBuffer(32, 'r'));
const std::string kCancel = "lease-cancel-secret " + codec::base64::encode(ByteBuffer(32, 'c'));
const std::string kUpload = "upload-secret " + codec::base64::encode(ByteBuffer(20, 'u'));
const char* const kX = "X-Tahoe-Authorization";

TEST(Secrets, a_route_takes_exactly_its_own) {
    const auto lease =
        check_secrets(Route::lease, fields({{kX, kRenew}, {"x-tahoe-authorization", kCancel}}));
    ASSERT_TRUE(lease) << lease.error().to_string();
    EXPECT_TRUE(lease->lease_renew->equals(ByteBuffer(32, 'r')));
    EXPECT_FALSE(lease->upload);
    EXPECT_TRUE(check_secrets(Route::version, fields({})));

    const auto refused = [](Route route, const http1::Fields& lines) {
        const auto checked = check_secrets(route, lines);
        return checked ? std::string() : checked.error().message();
    };
    EXPECT_NE(refused(Route::version, fields({{kX, kUpload}})), "");
    EXPECT_EQ(refused(Route::lease, fields({{kX, kRenew}})),
              "This request needs exactly these X-Tahoe-Authorization headers, each once: "
              "lease-renew-secret, lease-cancel-secret");
    EXPECT_NE(refused(Route::lease, fields({{kX, kRenew}, {kX, kCancel}, {kX, kUpload}})), "");
    EXPECT_NE(refused(Route::lease, fields({{kX, kRenew}, {kX, kRenew}, {kX, kCancel}})), "");
    EXPECT_NE(refused(Route::lease, fields({{kX, kRenew + ", " + kCancel}})), "");
    EXPECT_NE(refused(Route::write, fields({{kX, "upload-secret"}})), "");
    EXPECT_NE(refused(Route::write, fields({{kX, "upload-secret "}})), "");
    EXPECT_NE(refused(Route::write, fields({{kX, "upload-secret !!!!"}})), "");
    EXPECT_NE(refused(Route::write, fields({{kX, "other-secret AAAA"}})), "");
    EXPECT_EQ(refused(Route::lease, fields({{kX, "lease-renew-secret AAAA"}, {kX, kCancel}})),
              "Lease secrets must be 32 bytes long");
}

TEST(Secrets, are_taken_at_their_greatest_length_and_refused_one_past_it) {
    const auto of = [](std::size_t n) {
        return fields({{kX, "upload-secret " + codec::base64::encode(ByteBuffer(n, 'x'))}});
    };
    EXPECT_TRUE(check_secrets(Route::write, of(1)));
    EXPECT_TRUE(check_secrets(Route::write, of(kSecretBytesMax)));
    EXPECT_FALSE(check_secrets(Route::write, of(kSecretBytesMax + 1)));
}

TEST(Authorization, only_one_line_of_the_exact_scheme_presents_a_swissnum) {
    const Secret swissnum(as_bytes("abc234"));
    const std::string value = authorization_value(swissnum);
    EXPECT_EQ(presented_swissnum(fields({{"Authorization", value}})), swissnum);
    EXPECT_FALSE(presented_swissnum(fields({})));
    EXPECT_FALSE(presented_swissnum(fields({{"Authorization", value}, {"Authorization", value}})));
    EXPECT_FALSE(presented_swissnum(fields({{"Authorization", "tahoe-lafs" + value.substr(10)}})));
    EXPECT_FALSE(presented_swissnum(fields({{"Authorization", value + "="}})));
    EXPECT_FALSE(presented_swissnum(fields({{"Authorization", "Tahoe-LAFS "}})));
}

TEST(Ranges, are_taken_in_one_form_only) {
    EXPECT_EQ(*parse_range("bytes=0-3"), (Span{0, 3}));
    EXPECT_EQ(*parse_range("bytes=5-5"), (Span{5, 5}));
    for (const char* bad : {"bytes=5-", "bytes=-3", "bytes=0-1,3-4", "bytes=5-2", "items=0-3",
                            "garbage", "", "bytes=0-3 ", "bytes=+0-3", "bytes= 0-3"})
        EXPECT_FALSE(parse_range(bad)) << bad;
    EXPECT_EQ(*parse_content_range("bytes 0-3/*"), (Span{0, 3}));
    EXPECT_EQ(*parse_content_range("bytes 0-3/10"), (Span{0, 3}));
    for (const char* bad : {"bytes 0-3", "bytes 0-3/", "bytes 0-3/3", "items 0-3/*", "bytes */10",
                            "bytes 3-0/*", "bytes=0-3/*", "bytes 0-3/*x", ""})
        EXPECT_FALSE(parse_content_range(bad)) << bad;
    EXPECT_EQ(content_range_value({8, 9}), "bytes 8-9/*");
}

TEST(Ranges, of_a_read_go_on_beyond_what_64_bits_can_count) {
    const std::uint64_t end = kLastByteMax;
    EXPECT_EQ(end, 18446744073709551614u);
    EXPECT_EQ(*parse_range("bytes=0-18446744073709551614"), (Span{0, end}));
    for (const char* last :
         {"18446744073709551615", "18446744073709551616", "1000000000000000000000000000000"}) {
        EXPECT_EQ(*parse_range(fmt::format("bytes=0-{}", last)), (Span{0, end})) << last;
        EXPECT_EQ(*parse_range(fmt::format("bytes={}-{}", last, last)), (Span{end, end})) << last;
        EXPECT_FALSE(parse_content_range(fmt::format("bytes 0-{}/*", last))) << last;
        EXPECT_FALSE(parse_range(fmt::format("bytes={}-7", last))) << last;
    }
    EXPECT_EQ(parse_range("bytes=0-18446744073709551615")->size(), end + 1);
    EXPECT_EQ(plan_read(parse_range("bytes=3-18446744073709551615").value(), 10).sent,
              (Span{3, 9}));
    EXPECT_EQ(*parse_content_range("bytes 5-18446744073709551614/*"), (Span{5, end}));
}

// ---- the order of checks

http1::RequestHead head(Method method, const std::string& target, http1::Fields lines) {
    http1::RequestHead out;
    out.method = method;
    out.method_name = http1::name_of(method);
    out.target = target;
    out.fields = std::move(lines);
    return out;
}

int admitted(Method method, const std::string& target, http1::Fields lines) {
    const http1::RequestHead asked = head(method, target, std::move(lines));
    const auto found = admit_path(asked);
    if (!found) return found.error().status;
    const auto request = admit(asked, *found);
    return request ? 0 : request.error().status;
}

TEST(Admission, answers_as_the_reference_does) {
    const std::string si = "/storage/v1/immutable/72okehjbuigv7aihvjibkbcne4";
    const std::string version = "/storage/v1/version";
    EXPECT_EQ(admitted(Method::get, version, {}), 0);
    EXPECT_EQ(admitted(Method::get, version + "?x=y", {}), 0);
    EXPECT_EQ(admitted(Method::post, version, {}), 405);
    EXPECT_EQ(admitted(Method::get, "/", {}), 404);
    EXPECT_EQ(admitted(Method::get, version, fields({{"Accept", "application/cbor"}})), 0);
    EXPECT_EQ(
        admitted(Method::get, version, fields({{"Accept", "text/html, Application/CBOR;q=0.5"}})),
        0);
    EXPECT_EQ(admitted(Method::get, version, fields({{"Accept", "*/*"}})), 0);
    EXPECT_EQ(admitted(Method::get, version, fields({{"Accept", "text/html"}})), 406);
    EXPECT_EQ(admitted(Method::get, version, fields({{kX, kUpload}})), 400);

    const auto allocate = [&](http1::Fields lines) {
        return admitted(Method::post, si, std::move(lines));
    };
    EXPECT_EQ(allocate(fields({{kX, kRenew}, {kX, kCancel}, {kX, kUpload}})), 0);
    EXPECT_EQ(allocate(fields({{kX, kRenew}, {kX, kCancel}})), 400);
    EXPECT_EQ(allocate(fields(
                  {{kX, kRenew}, {kX, kCancel}, {kX, kUpload}, {"Content-Type", "text/plain"}})),
              415);
    EXPECT_EQ(allocate(fields({{kX, kRenew},
                               {kX, kCancel},
                               {kX, kUpload},
                               {"Content-Type", "application/cbor; charset=x"}})),
              0);

    const auto write = [&](http1::Fields lines) {
        return admitted(Method::patch, si + "/0", std::move(lines));
    };
    EXPECT_EQ(write(fields({{kX, kUpload}, {"Content-Range", "bytes 0-3/*"}})), 0);
    EXPECT_EQ(write(fields({{kX, kUpload}})), 416);
    EXPECT_EQ(
        write(fields(
            {{kX, kUpload}, {"Content-Range", "bytes 0-3/*"}, {"Content-Range", "bytes 0-3/*"}})),
        416);

    EXPECT_EQ(admitted(Method::get, si + "/0", fields({{"Accept", "text/html"}})), 0);
    EXPECT_EQ(admitted(Method::head, si + "/0", fields({{"Range", "bytes=0-3"}})), 0);
    const auto bad_range = admit(head(Method::get, si + "/0", fields({{"Range", "bytes=5-"}})),
                                 {.route = Route::immutable_read});
    ASSERT_FALSE(bad_range);
    EXPECT_EQ(bad_range.error().status, 416);
    EXPECT_EQ(bad_range.error().content_type, kBytesType);
}

TEST(Admission, error_texts_fit_what_a_client_reads) {
    EXPECT_EQ(error_answer(Route::version, 400, std::string(20'000, 'x')).body.size(),
              kErrorTextBytesMax);
}

TEST(ReadPlan, clips_and_tells_the_end_apart) {
    EXPECT_EQ(plan_read(std::nullopt, 10).status, 200);
    EXPECT_EQ(plan_read(std::nullopt, 0).size, 0);
    EXPECT_EQ(plan_read(Span{8, 20}, 10).sent, (Span{8, 9}));
    EXPECT_EQ(plan_read(Span{0, 3}, 10).size, 4);
    EXPECT_EQ(plan_read(Span{10, 20}, 10).status, 204);
    EXPECT_EQ(plan_read(Span{0, 0}, 0).status, 204);
}

// ---- bodies

ByteBuffer bytes_of(std::initializer_list<int> values) {
    ByteBuffer out;
    for (const int v : values) out.push_back(static_cast<std::uint8_t>(v));
    return out;
}

// Reference K: the worked bytes.
TEST(Bodies, are_the_reference_s_bytes) {
    const AllocateRequest allocate{{0}, 0x2dcaf0};
    ByteBuffer expected = bytes_of({0xa2, 0x6d});
    append(expected, "share-numbers");
    append(expected, bytes_of({0xd9, 1, 2, 0x81, 0, 0x6e}));
    append(expected, "allocated-size");
    append(expected, bytes_of({0x1a, 0, 0x2d, 0xca, 0xf0}));
    EXPECT_EQ(encode(allocate), expected);
    EXPECT_EQ(*parse_allocate_request(expected), allocate);
    EXPECT_EQ(encode_share_list({}), bytes_of({0xd9, 1, 2, 0x80}));
    const std::vector<Missing> required{{0x100024, 0x2dcaf0}};
    EXPECT_EQ(*parse_required(encode_required(required)), required);
}

std::string refusal(const Result<AllocateRequest>& parsed) {
    return parsed ? "accepted" : parsed.error().message();
}

TEST(Bodies, allocate_refuses_what_the_schema_does_not_have) {
    const auto with = [](auto fill) {
        cbor::Writer out;
        fill(out);
        return parse_allocate_request(out.view());
    };
    EXPECT_EQ(refusal(with([](auto& o) {
                  o.begin_map(2)
                      .text("share-numbers")
                      .begin_array(1)
                      .unsigned_int(0)
                      .text("allocated-size")
                      .unsigned_int(1);
              })).substr(0, 52),
              "The body is not what is expected at /share-numbers: ");
    EXPECT_EQ(refusal(with([](auto& o) {
                  o.begin_map(3)
                      .text("share-numbers")
                      .begin_set(0)
                      .text("allocated-size")
                      .unsigned_int(1)
                      .text("x")
                      .unsigned_int(1);
              })),
              "Unexpected key \"x\" at /");
    EXPECT_EQ(refusal(with([](auto& o) { o.begin_map(1).text("share-numbers").begin_set(0); })),
              "The key \"allocated-size\" is missing at /");
    EXPECT_EQ(refusal(with([](auto& o) {
                  o.begin_map(2)
                      .text("allocated-size")
                      .unsigned_int(1)
                      .text("allocated-size")
                      .unsigned_int(1);
              })),
              "The key \"allocated-size\" comes twice at /");
    EXPECT_FALSE(with([](auto& o) { o.begin_map(1).bytes(as_bytes("share-numbers")); }));
    EXPECT_FALSE(with([](auto& o) { o.tag(55799).begin_map(0); }));
    EXPECT_FALSE(parse_allocate_request(bytes_of({0xff, 0xff})));
    EXPECT_FALSE(parse_allocate_request({}));
}

TEST(Bodies, sets_are_taken_up_to_256_items_of_any_legal_number) {
    AllocateRequest request;
    for (ShareNumber i = 0; i < kShareNumbersMax; ++i) request.shares.push_back(i + 300);
    EXPECT_EQ(*parse_allocate_request(encode(request)), request);
    request.shares.push_back(9999);
    EXPECT_FALSE(parse_allocate_request(encode(request)));
    EXPECT_TRUE(parse_share_list(encode_share_list({kShareNumberMax})));
    cbor::Writer out;
    out.begin_set(1).unsigned_int(kShareNumberMax + 1);
    EXPECT_FALSE(parse_share_list(out.view()));
    cbor::Writer twice;
    twice.begin_set(3).unsigned_int(7).unsigned_int(3).unsigned_int(7);
    EXPECT_EQ(*parse_share_list(twice.view()), (std::vector<ShareNumber>{3, 7}));
}

TEST(Bodies, reasons_are_taken_up_to_their_limit) {
    EXPECT_FALSE(parse_reason(encode_reason("")));
    EXPECT_TRUE(parse_reason(encode_reason("x")));
    EXPECT_TRUE(parse_reason(encode_reason(std::string(kReasonBytesMax, 'x'))));
    EXPECT_FALSE(parse_reason(encode_reason(std::string(kReasonBytesMax + 1, 'x'))));
}

// ---- read-test-write

ReadTestWriteRequest slot_request() {
    ReadTestWriteRequest request;
    request.shares[0] = {.tests = {{0, 1, {}}, {5, 3, to_buffer(as_bytes("abc"))}},
                         .writes = {{0, 0, 5}, {8, 5, 0}, {100, 5, 3}},
                         .new_length = std::nullopt};
    request.shares[300] = {.tests = {}, .writes = {{7, 8, 2}}, .new_length = 0};
    request.reads = {{0, 10}, {1ull << 40, 5}};
    return request;
}

TEST(ReadTestWrite, is_the_same_however_the_body_is_cut) {
    const ReadTestWriteRequest request = slot_request();
    const ByteBuffer data = to_buffer(as_bytes("helloXYZ!?"));
    ByteBuffer body = encode(request, data);
    append(body, "trailing bytes are ignored");
    for (std::size_t step = 1; step <= body.size(); ++step) {
        const auto parsed = parse_in_pieces(body, step);
        ASSERT_TRUE(parsed) << parsed.error().to_string();
        EXPECT_EQ(parsed->request, request);
        EXPECT_EQ(parsed->gathered, data);
    }
}

TEST(ReadTestWrite, takes_keys_in_any_order_and_strings_of_indefinite_length) {
    cbor::Writer out;
    out.begin_map(2).text("read-vector").begin_array(1).begin_map(2);
    out.text("size").unsigned_int(9).text("offset").unsigned_int(1);
    out.text("test-write-vectors").begin_map(1).unsigned_int(4).begin_map(3);
    out.text("new-length").unsigned_int(5).text("write").begin_array(1).begin_map(2).text("data");
    ByteBuffer body = out.take();
    append(body, bytes_of({0x5f, 0x42, 'a', 'b', 0x41, 'c', 0xff}));
    out.text("offset").unsigned_int(3).text("test").begin_array(0);
    append(body, out.take());
    const auto parsed = parse_in_pieces(body, 3);
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    EXPECT_EQ(to_string(parsed->gathered), "abc");
    EXPECT_EQ(parsed->request.shares.at(4).writes, (std::vector<WriteVector>{{3, 0, 3}}));
    EXPECT_EQ(parsed->request.shares.at(4).new_length, 5);
    EXPECT_EQ(parsed->request.reads, (std::vector<ReadVector>{{1, 9}}));
}

std::string slot_refusal(ByteView body) {
    const auto parsed = parse_in_pieces(body, 11);
    return parsed ? "accepted" : parsed.error().message();
}

// {"test-write-vectors": {0: <share>}, "read-vector": []}
ByteBuffer slot_with(auto fill_share) {
    cbor::Writer out;
    out.begin_map(2).text("test-write-vectors").begin_map(1).unsigned_int(0);
    fill_share(out);
    out.text("read-vector").begin_array(0);
    return out.take();
}

TEST(ReadTestWrite, refuses_what_the_schema_does_not_have) {
    EXPECT_EQ(slot_refusal(slot_with([](auto& o) {
                  o.begin_map(2).text("test").begin_array(0).text("write").begin_array(0);
              })),
              "The key \"new-length\" is missing at /test-write-vectors/*");
    EXPECT_EQ(slot_refusal(slot_with([](auto& o) { o.begin_map(1).text("operator").null(); })),
              "There is a key at /test-write-vectors/* that is not expected there");
    EXPECT_EQ(slot_refusal(slot_with([](auto& o) {
                  o.begin_map(2).text("test").begin_array(0).text("test").begin_array(0);
              })),
              "The key \"test\" comes twice at /test-write-vectors/*");
    EXPECT_EQ(slot_refusal(slot_with([](auto& o) { o.begin_array(0); })),
              "At /test-write-vectors there is an array where a map is expected");
    EXPECT_NE(slot_refusal(slot_with([](auto& o) {
                  o.begin_map(3)
                      .text("test")
                      .begin_map(0)
                      .text("write")
                      .begin_array(0)
                      .text("new-length")
                      .null();
              })),
              "accepted");
    EXPECT_NE(slot_refusal(slot_with([](auto& o) {
                  o.begin_map(3)
                      .text("test")
                      .begin_array(0)
                      .text("write")
                      .begin_array(0)
                      .text("new-length")
                      .text("5");
              })),
              "accepted");
    EXPECT_NE(slot_refusal(slot_with([](auto& o) {
                  o.begin_map(3)
                      .text("test")
                      .begin_array(1)
                      .begin_map(3)
                      .text("offset")
                      .unsigned_int(0)
                      .text("size")
                      .unsigned_int(0)
                      .text("specimen")
                      .text("x");
              })),
              "accepted");
    EXPECT_NE(slot_refusal(bytes_of({0x80})), "accepted");
    ByteBuffer cut = encode(slot_request(), ByteBuffer(10, 'x'));
    cut.pop_back();
    EXPECT_TRUE(slot_refusal(cut).starts_with("The body is not complete"));
    EXPECT_TRUE(slot_refusal(bytes_of({0xff})).starts_with("The body is not"));
    EXPECT_FALSE(parse_in_pieces({}, 1));
}

TEST(ReadTestWrite, holds_each_limit_at_the_limit_and_refuses_one_past_it) {
    const auto accepted = [](const ReadTestWriteRequest& request, ByteView data = {}) {
        return parse_in_pieces(encode(request, data), 4096).has_value();
    };
    for (const std::size_t extra : {0UL, 1UL}) {
        ReadTestWriteRequest shares;
        for (std::size_t i = 0; i < kSlotSharesMax + extra; ++i)
            shares.shares[static_cast<ShareNumber>(i)];
        EXPECT_EQ(accepted(shares), extra == 0);
        ReadTestWriteRequest tests;
        tests.shares[0].tests.resize(kTestVectorsMax + extra);
        EXPECT_EQ(accepted(tests), extra == 0);
        ReadTestWriteRequest reads;
        reads.reads.resize(kReadVectorsMax + extra);
        EXPECT_EQ(accepted(reads), extra == 0);
        ReadTestWriteRequest writes;
        writes.shares[0].writes.resize(kWriteVectorsMax + extra);
        EXPECT_EQ(accepted(writes), extra == 0);
        ReadTestWriteRequest specimens;
        specimens.shares[0].tests = {{0, 0, ByteBuffer(kSpecimenBytesMax + extra, 's')}};
        EXPECT_EQ(accepted(specimens), extra == 0);
    }
}

// ---- what a client takes for an answer

http1::ResponseHead answered(int status,
                             std::initializer_list<std::pair<const char*, std::string>> lines) {
    http1::ResponseHead out;
    out.status = status;
    out.fields = fields(lines);
    return out;
}

TEST(Client, takes_an_answer_as_tahoe_s_does) {
    const ByteBuffer list = encode_share_list({3});
    EXPECT_EQ(*read_list(answered(200, {{"Content-Type", "application/cbor"}}), list),
              (std::vector<ShareNumber>{3}));
    EXPECT_EQ(read_list(answered(200, {{"Content-Type", "text/html"}}), list).error().code(),
              "gbs.bad_answer");
    EXPECT_EQ(read_list(answered(401, {}), as_bytes("Wrong")).error().kind(),
              ErrorKind::unauthorized);
    EXPECT_EQ(read_empty(answered(507, {}), {}).error().kind(), ErrorKind::no_space);
    const http1::ResponseHead part = answered(
        206, {{"Content-Type", "application/octet-stream"}, {"Content-Range", "bytes 2-4/*"}});
    EXPECT_EQ(to_string(*read_share(part, to_buffer(as_bytes("abc")), Span{2, 9})), "abc");
    EXPECT_FALSE(read_share(part, to_buffer(as_bytes("abcd")), Span{2, 9}));
    EXPECT_FALSE(read_share(part, to_buffer(as_bytes("abc")), Span{2, 3}));
    EXPECT_FALSE(read_share(part, to_buffer(as_bytes("abc")), Span{1, 9}));
    EXPECT_TRUE(read_share(answered(204, {}), {}, Span{2, 9})->empty());
    EXPECT_EQ(
        read_share(answered(404, {{"Content-Type", "application/octet-stream"}}), {}, Span{2, 9})
            .error()
            .kind(),
        ErrorKind::not_found);
}

}  // namespace
}  // namespace s4::proto::gbs
