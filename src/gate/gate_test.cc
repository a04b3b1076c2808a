// Storage over HTTPS. The requests are those of the reference's probe (traces/gbsprobe.py), the
// expected answers Tahoe 1.20's but for the differences in README.md.
#include "codec/base64.h"
#include "gate/gate_world_test.h"

namespace s4::gate {
namespace {

using gbs::Span;

TEST_F(GateTest, version_tells_the_space_that_is_left) {
    tenants::Policy policy;
    policy.quota_bytes = kGiB;
    const Customer a = customer(policy);
    const auto answer = send(a, a.client.version());
    const gbs::VersionAnswer version = must(gbs::read_version(answer.head, answer.body));
    EXPECT_EQ(version.application_version, "s4/test");
    EXPECT_LE(version.available_bytes, kGiB);
    EXPECT_GT(version.available_bytes, kGiB / 2);
}

TEST_F(GateTest, an_upload_goes_the_way_of_the_reference_s_probe) {
    const Customer a = customer();
    const auto& c = a.client;
    const auto si = index_of(1);
    EXPECT_EQ(status(a, c.add_lease(si, lease_)), 404);
    auto answer = send(a, c.allocate(si, lease_, upload_, {{0, 1, 2}, 10}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)),
              (gbs::AllocateAnswer{{}, {0, 1, 2}}));
    answer = send(a, c.allocate(si, lease_, upload_, {{0, 1, 2}, 10}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)).allocated.size(), 3)
        << "the same upload secret gets the same answer";
    answer = send(a, c.allocate(si, lease_, other_upload_, {{0, 1, 2}, 10}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)), (gbs::AllocateAnswer{{}, {}}));

    const auto write = [&](gbs::ShareNumber n, std::uint64_t offset, std::string_view bytes) {
        return send(a, c.write(si, n, upload_, offset, text(bytes)));
    };
    answer = write(0, 0, "abcd");
    EXPECT_EQ(answer.head.status, 200);
    EXPECT_EQ(must(gbs::read_write(answer.head, answer.body)).required,
              (std::vector<gbs::Missing>{{4, 10}}));
    EXPECT_EQ(write(0, 0, "abcd").head.status, 200);
    answer = write(0, 2, "cdef");
    EXPECT_EQ(must(gbs::read_write(answer.head, answer.body)).required,
              (std::vector<gbs::Missing>{{6, 10}}));
    EXPECT_EQ(write(0, 0, "XXXX").head.status, 409);
    EXPECT_EQ(status(a, c.write(si, 0, other_upload_, 0, text("abcd"))), 401);
    EXPECT_EQ(write(7, 0, "abcd").head.status, 404);
    EXPECT_EQ(write(1, 5, "0123456789").head.status, 413);

    answer = send(a, c.list(Route::immutable_shares, si));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
    answer = send(a, c.read(Route::immutable_read, si, 0, std::nullopt));
    EXPECT_EQ(answer.head.status, 404);
    EXPECT_EQ(answer.head.fields.find("Content-Type"), "application/octet-stream");

    answer = write(0, 4, "efghij");
    EXPECT_EQ(answer.head.status, 201);
    EXPECT_TRUE(must(gbs::read_write(answer.head, answer.body)).required.empty());
    EXPECT_EQ(write(0, 4, "efghij").head.status, 404);
    EXPECT_EQ(status(a, c.abort(si, 0, upload_)), 405);
    EXPECT_EQ(status(a, c.abort(si, 1, other_upload_)), 401);
    EXPECT_EQ(status(a, c.abort(si, 1, upload_)), 200);
    EXPECT_EQ(status(a, c.abort(si, 1, upload_)), 404);
    EXPECT_EQ(status(a, c.abort(si, 9, upload_)), 404);

    answer = send(a, c.list(Route::immutable_shares, si));
    EXPECT_EQ(must(gbs::read_list(answer.head, answer.body)), (std::vector<gbs::ShareNumber>{0}));
    answer = send(a, c.allocate(si, lease_, other_upload_, {{5}, 10}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)), (gbs::AllocateAnswer{{0}, {5}}));
    EXPECT_EQ(status(a, c.add_lease(si, lease_)), 204);
    EXPECT_EQ(status(a, c.advise_corrupt(Route::immutable_corrupt, si, 0, "ueb hash")), 200);
    EXPECT_EQ(status(a, c.advise_corrupt(Route::immutable_corrupt, si, 6, "x")), 404);
    EXPECT_EQ(status(a, c.advise_corrupt(Route::immutable_corrupt, si, 0, "")), 400);
    answer = send(a, c.allocate(index_of(3), lease_, upload_, {{0}, std::uint64_t{1} << 60}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)), (gbs::AllocateAnswer{{}, {}}));
}

TEST_F(GateTest, ranges_are_answered_as_the_client_needs_them) {
    const Customer a = customer();
    const auto& c = a.client;
    const auto si = index_of(1);
    (void)send(a, c.allocate(si, lease_, upload_, {{0}, 10}));
    EXPECT_EQ(status(a, c.write(si, 0, upload_, 0, text("abcdefghij"))), 201);
    const auto read = [&](std::optional<Span> span) {
        return send(a, c.read(Route::immutable_read, si, 0, span));
    };
    auto answer = read(Span{0, 3});
    EXPECT_EQ(answer.head.status, 206);
    EXPECT_EQ(answer.head.fields.find("Content-Range"), "bytes 0-3/*");
    EXPECT_EQ(to_string(answer.body), "abcd");
    answer = read(Span{8, 20});
    EXPECT_EQ(answer.head.fields.find("Content-Range"), "bytes 8-9/*");
    EXPECT_EQ(to_string(answer.body), "ij");
    answer = read(Span{8, UINT64_MAX});
    EXPECT_EQ(answer.head.status, 206);
    EXPECT_EQ(to_string(answer.body), "ij");
    EXPECT_EQ(read(Span{UINT64_MAX, UINT64_MAX}).head.status, 204);
    EXPECT_EQ(read(Span{10, 20}).head.status, 204);
    EXPECT_EQ(read(Span{100, 200}).head.status, 204);
    answer = read(std::nullopt);
    EXPECT_EQ(answer.head.status, 200);
    EXPECT_EQ(to_string(answer.body), "abcdefghij");
    for (const char* bad : {"bytes=5-", "bytes=-3", "bytes=0-1,3-4", "bytes=5-2", "garbage"}) {
        gbs::ClientRequest request = c.read(Route::immutable_read, si, 0, std::nullopt);
        request.fields.emplace_back("Range", bad);
        answer = send(a, std::move(request));
        EXPECT_EQ(answer.head.status, 416) << bad;
        EXPECT_EQ(answer.head.fields.find("Content-Type"), "application/octet-stream");
    }
    gbs::ClientRequest head = c.read(Route::immutable_read, si, 0, Span{2, 5});
    head.method = proto::http1::Method::head;
    answer = send(a, std::move(head));
    EXPECT_EQ(answer.head.status, 206);
    EXPECT_EQ(answer.head.content_length, 4);
    EXPECT_TRUE(answer.body.empty());
}

TEST_F(GateTest, large_shares_stream_in_and_out) {
    const Customer a = customer();
    const auto& c = a.client;
    const auto si = index_of(1);
    const ByteBuffer whole = pattern(5 * kMiB + 123);
    (void)send(a, c.allocate(si, lease_, upload_, {{0}, whole.size()}));
    for (std::size_t at = 0; at < whole.size(); at += kMiB) {
        const std::size_t n = std::min<std::size_t>(kMiB, whole.size() - at);
        const int expected = at + n == whole.size() ? 201 : 200;
        EXPECT_EQ(status(a, c.write(si, 0, upload_, at, to_buffer(ByteView(whole).subspan(at, n)))),
                  expected);
    }
    EXPECT_TRUE(equal(send(a, c.read(Route::immutable_read, si, 0, std::nullopt)).body, whole));
    const Span middle{kMiB - 7, 3 * kMiB + 11};
    EXPECT_TRUE(equal(send(a, c.read(Route::immutable_read, si, 0, middle)).body,
                      ByteView(whole).subspan(middle.first, middle.size())));
}

class SlotTest : public GateTest {
  protected:
    wire::HttpAnswer change(const Customer& a, const gbs::ReadTestWriteRequest& request,
                            ByteView data = {}, const Secret* enabler = nullptr) {
        return send(a, a.client.read_test_write(slot_, enabler ? *enabler : enabler_, lease_,
                                                request, data));
    }
    gbs::ReadTestWriteAnswer changed(const Customer& a, const gbs::ReadTestWriteRequest& request,
                                     ByteView data = {}) {
        const auto answer = change(a, request, data);
        return must(gbs::read_read_test_write(answer.head, answer.body));
    }
    static gbs::ReadTestWriteRequest just_reads(gbs::ReadVector read) {
        return {.shares = {}, .reads = {read}};
    }

    const gbs::StorageIndex slot_ = index_of(9);
};

TEST_F(SlotTest, a_slot_goes_the_way_of_the_reference_s_probe) {
    using Data = std::map<gbs::ShareNumber, std::vector<ByteBuffer>>;
    const Customer a = customer();
    EXPECT_EQ(changed(a, {}), (gbs::ReadTestWriteAnswer{true, {}}));
    gbs::ReadTestWriteRequest create{
        .shares = {{0, {.tests = {{0, 1, {}}}, .writes = {{0, 0, 5}}, .new_length = std::nullopt}}},
        .reads = {{0, 10}}};
    EXPECT_EQ(changed(a, create, as_bytes("hello")), (gbs::ReadTestWriteAnswer{true, {}}));
    EXPECT_EQ(changed(a, create, as_bytes("HELLO")),
              (gbs::ReadTestWriteAnswer{false, Data{{0, {text("hello")}}}}));
    EXPECT_TRUE(changed(a,
                        {.shares = {{0, {.tests = {}, .writes = {{8, 0, 1}}, .new_length = 20}}},
                         .reads = {}},
                        as_bytes("x"))
                    .success);
    EXPECT_EQ(changed(a, {.shares = {{0, {.tests = {}, .writes = {}, .new_length = 3}},
                                     {1, {.tests = {}, .writes = {}, .new_length = 5}}},
                          .reads = {{0, 30}}})
                  .data,
              (Data{{0, {text(std::string_view("hello\0\0\0x", 9))}}}));
    EXPECT_EQ(changed(a, just_reads({0, 30})).data, (Data{{0, {text("hel")}}, {1, {{}}}}));

    const Secret wrong(ByteBuffer(32, 'q'));
    EXPECT_EQ(change(a, just_reads({0, 30}), {}, &wrong).head.status, 401);
    auto answer = send(a, a.client.list(Route::mutable_shares, slot_));
    EXPECT_EQ(must(gbs::read_list(answer.head, answer.body)),
              (std::vector<gbs::ShareNumber>{0, 1}));
    answer = send(a, a.client.read(Route::mutable_read, slot_, 0, Span{0, 99}));
    EXPECT_EQ(answer.head.fields.find("Content-Range"), "bytes 0-2/*");
    EXPECT_EQ(status(a, a.client.read(Route::mutable_read, slot_, 4, Span{0, 99})), 404);
    EXPECT_EQ(status(a, a.client.advise_corrupt(Route::mutable_corrupt, slot_, 0, "bad")), 200);
    EXPECT_EQ(status(a, a.client.advise_corrupt(Route::mutable_corrupt, slot_, 5, "bad")), 404);
    EXPECT_EQ(changed(a, {.shares = {{0, {.tests = {}, .writes = {}, .new_length = 0}},
                                     {1, {.tests = {}, .writes = {}, .new_length = 0}}},
                          .reads = {}})
                  .data,
              (Data{{0, {}}, {1, {}}}));
    answer = send(a, a.client.list(Route::mutable_shares, slot_));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
}

TEST_F(SlotTest, a_large_slot_streams_in_and_out) {
    const Customer a = customer();
    const ByteBuffer whole = pattern(3 * kMiB + 5);
    EXPECT_TRUE(
        changed(
            a,
            {.shares =
                 {{3, {.tests = {}, .writes = {{0, 0, whole.size()}}, .new_length = std::nullopt}}},
             .reads = {}},
            whole)
            .success);
    EXPECT_TRUE(equal(changed(a, just_reads({0, 1ull << 40})).data.at(3).at(0), whole));
    EXPECT_TRUE(
        equal(send(a, a.client.read(Route::mutable_read, slot_, 3, std::nullopt)).body, whole));
}

TEST_F(SlotTest, the_two_kinds_of_shares_are_not_mixed_up) {
    const Customer a = customer();
    const auto& c = a.client;
    (void)send(a, c.allocate(index_of(1), lease_, upload_, {{0}, 3}));
    EXPECT_EQ(status(a, c.write(index_of(1), 0, upload_, 0, text("abc"))), 201);
    EXPECT_TRUE(
        changed(a,
                {.shares = {{0, {.tests = {}, .writes = {{0, 0, 1}}, .new_length = std::nullopt}}},
                 .reads = {}},
                as_bytes("x"))
            .success);
    auto answer = send(a, c.list(Route::immutable_shares, slot_));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
    answer = send(a, c.list(Route::mutable_shares, index_of(1)));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
    EXPECT_EQ(status(a, c.read(Route::mutable_read, index_of(1), 0, std::nullopt)), 404);
    EXPECT_EQ(status(a, c.read(Route::immutable_read, slot_, 0, std::nullopt)), 404);
    answer = send(a, c.allocate(slot_, lease_, upload_, {{7}, 10}));
    EXPECT_EQ(answer.head.status, 409);
    EXPECT_EQ(to_string(answer.body), "the index holds mutable shares");
}

TEST_F(SlotTest, without_room_a_slot_is_refused_with_507_and_stays_as_it_was) {
    tenants::Policy policy;
    policy.quota_bytes = kMiB;
    const Customer a = customer(policy);
    const ByteBuffer too_much = pattern(18 * kMiB);
    const auto refused = change(
        a,
        {.shares =
             {{0, {.tests = {}, .writes = {{0, 0, too_much.size()}}, .new_length = std::nullopt}}},
         .reads = {}},
        too_much);
    EXPECT_EQ(refused.head.status, 507) << to_string(refused.body);
    const auto answer = send(a, a.client.list(Route::mutable_shares, slot_));
    EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
}

TEST_F(GateTest, one_customer_never_reaches_another) {
    const Customer a = customer();
    const Customer b = customer();
    const auto si = index_of(1);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0}, 3}));
    EXPECT_EQ(status(a, a.client.write(si, 0, upload_, 0, text("abc"))), 201);
    // Whoever else knows the index, and even speaks on the same connection, sees nothing.
    for (const std::size_t connection : {a.connection, b.connection}) {
        const auto answer = send(connection, b.client.list(Route::immutable_shares, si));
        EXPECT_TRUE(must(gbs::read_list(answer.head, answer.body)).empty());
        EXPECT_EQ(
            send(connection, b.client.read(Route::immutable_read, si, 0, std::nullopt)).head.status,
            404);
        EXPECT_EQ(send(connection, b.client.add_lease(si, lease_)).head.status, 404);
    }
    EXPECT_EQ(status(a, a.client.read(Route::immutable_read, si, 0, std::nullopt)), 200);
}

TEST_F(GateTest, a_wrong_swissnum_is_refused_before_all_else) {
    const Customer a = customer();
    EXPECT_EQ(status(a, a.client.version()), 200);
    const auto with = [&](std::string_view value) {
        gbs::ClientRequest request = a.client.version();
        std::erase_if(request.fields, [](const auto& f) { return f.first == "Authorization"; });
        if (!value.empty()) request.fields.emplace_back("Authorization", value);
        request.fields.emplace_back("X-Tahoe-Authorization", "nonsense");
        return send(a, std::move(request));
    };
    const std::string right = a.client.version().fields.front().second;
    for (const std::string& value :
         {std::string(), "Tahoe-LAFS " + codec::base64::encode(as_bytes("wrong")),
          "tahoe-lafs" + right.substr(10), std::string("Basic abc")}) {
        const auto refused = with(value);
        EXPECT_EQ(refused.head.status, 401) << value;
        EXPECT_EQ(to_string(refused.body), "Wrong Authorization header");
    }
    EXPECT_EQ(with(right).head.status, 400) << "then the secrets are looked at";
    EXPECT_EQ(status(a, a.client.version()), 200);
}

TEST_F(GateTest, bodies_are_checked_before_anything_changes) {
    const Customer a = customer();
    const auto with_body = [&](ByteBuffer body, std::string_view type = "application/cbor") {
        gbs::ClientRequest request = a.client.allocate(index_of(2), lease_, upload_, {{0}, 10});
        for (auto& [name, value] : request.fields)
            if (name == "Content-Type") value = type;
        request.body = std::move(body);
        return status(a, std::move(request));
    };
    EXPECT_EQ(with_body(text("\xff\xff")), 400);
    EXPECT_EQ(with_body(ByteBuffer(9000, 0)), 413);
    EXPECT_EQ(with_body(ByteBuffer(8192, 0)), 400);
    EXPECT_EQ(with_body(text("{}"), "text/plain"), 415);
    gbs::ClientRequest request = a.client.version();
    for (auto& [name, value] : request.fields)
        if (name == "Accept") value = "text/html";
    EXPECT_EQ(status(a, std::move(request)), 406);
    gbs::ClientRequest short_body = a.client.write(index_of(2), 0, upload_, 0, text("abcd"));
    short_body.body = text("ab");
    (void)send(a, a.client.allocate(index_of(2), lease_, upload_, {{0}, 10}));
    EXPECT_EQ(status(a, std::move(short_body)), 400);
    gbs::ClientRequest long_body = a.client.write(index_of(2), 0, upload_, 0, text("abcd"));
    long_body.body = text("abcdefgh");
    const auto answer = send(a, std::move(long_body));
    EXPECT_EQ(must(gbs::read_write(answer.head, answer.body)).required,
              (std::vector<gbs::Missing>{{4, 10}}));
}

}  // namespace
}  // namespace s4::gate
