// The conversations of the real client and server (tests/golden/gbs): every request is admitted and
// understood, our client would have written the same one, and what we would have answered is what
// Tahoe answered.
#include <golden/conversation.h>
#include <gtest/gtest.h>

#include "proto/gbs/client.h"
#include "proto/gbs/messages.h"
#include "proto/gbs/pieces_test.h"
#include "proto/gbs/read_test_write.h"
#include "proto/gbs/server.h"
#include "proto/http1/parser.h"

namespace s4::proto::gbs {
namespace {

struct Received {
    http1::RequestHead head;
    ByteBuffer body;
};

Received receive(ByteView wire) {
    http1::RequestParser parser;
    Received out;
    for (std::size_t at = 0;;) {
        const auto step = parser.next(wire.subspan(at));
        EXPECT_TRUE(step) << step.error().to_string();
        if (!step || step->what == http1::Step::What::need_more) return out;
        at += step->consumed;
        if (step->what == http1::Step::What::head) out.head = parser.head();
        append(out.body, step->body);
        if (step->what == http1::Step::What::end) return out;
    }
}

http1::ResponseHead response_head(const golden::Exchange& exchange) {
    http1::ResponseHead head;
    head.status = exchange.status();
    for (const std::string& line : exchange.response_headers) {
        const std::size_t colon = line.find(": ");
        head.fields.add(line.substr(0, colon), line.substr(colon + 2));
    }
    return head;
}

// What our client would have sent instead, given what the request meant.
ClientRequest as_ours(const Client& client, const Request& request, ByteView body) {
    const Target& t = request.target;
    const auto lease = [&] {
        return LeaseSecrets{*request.secrets.lease_renew, *request.secrets.lease_cancel};
    };
    switch (t.route) {
        case Route::version:
            return client.version();
        case Route::lease:
            return client.add_lease(t.index, lease());
        case Route::allocate:
            return client.allocate(t.index, lease(), *request.secrets.upload,
                                   *parse_allocate_request(body));
        case Route::write:
            EXPECT_EQ(request.span->size(), body.size());
            return client.write(t.index, t.share, *request.secrets.upload, request.span->first,
                                to_buffer(body));
        case Route::abort:
            return client.abort(t.index, t.share, *request.secrets.upload);
        case Route::immutable_shares:
        case Route::mutable_shares:
            return client.list(t.route, t.index);
        case Route::immutable_read:
        case Route::mutable_read:
            return client.read(t.route, t.index, t.share, request.span);
        case Route::immutable_corrupt:
        case Route::mutable_corrupt:
            return client.advise_corrupt(t.route, t.index, t.share, *parse_reason(body));
        case Route::read_test_write:
            break;
    }
    const auto whole = parse_in_pieces(body, body.size());
    const auto cut = parse_in_pieces(body, 1 + body.size() / 97);
    EXPECT_TRUE(whole) << whole.error().to_string();
    EXPECT_EQ(whole->request, cut->request);
    EXPECT_EQ(whole->gathered, cut->gathered);
    return client.read_test_write(t.index, *request.secrets.write_enabler, lease(), whole->request,
                                  whole->gathered);
}

// Tahoe's header lines but those of its HTTP library, sorted: their order is not the protocol's.
std::vector<std::string> lines_of(const http1::Fields& fields) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const std::string name(fields[i].name);
        if (name == "Host" || name == "Accept-Encoding" || name == "Content-Length" ||
            name == "Connection" || name == "User-Agent")
            continue;
        lines.push_back(name + ": " + std::string(fields[i].value));
    }
    std::ranges::sort(lines);
    return lines;
}

ByteBuffer encode_again(const ReadTestWriteAnswer& answer) {
    std::vector<ShareSizes> shares;
    for (const auto& [share, items] : answer.data) {
        shares.push_back({.share = share});
        for (const ByteBuffer& item : items) shares.back().items.push_back(item.size());
    }
    const ReadTestWriteFrame frame = frame_answer(answer.success, shares);
    ByteBuffer out;
    std::size_t i = 0;
    append(out, frame.glue[i++]);
    for (const auto& [share, items] : answer.data) {
        for (const ByteBuffer& item : items) {
            append(out, item);
            append(out, frame.glue[i++]);
        }
    }
    EXPECT_EQ(out.size(), frame.total_bytes);
    return out;
}

void check_answer(const golden::Exchange& exchange, const Request& request) {
    const http1::ResponseHead head = response_head(exchange);
    const ByteBuffer body = exchange.response_body();
    switch (request.target.route) {
        case Route::version: {
            const auto answer = read_version(head, body);
            ASSERT_TRUE(answer) << answer.error().to_string();
            EXPECT_EQ(encode(*answer), body);
            return;
        }
        case Route::lease:
            EXPECT_TRUE(read_lease(head, body) || head.status == 404);
            return;
        case Route::allocate: {
            const auto answer = read_allocate(head, body);
            ASSERT_TRUE(answer) << answer.error().to_string();
            EXPECT_EQ(encode(*answer), body);
            return;
        }
        case Route::write: {
            const auto answer = read_write(head, body);
            ASSERT_TRUE(answer) << answer.error().to_string();
            EXPECT_EQ(encode_required(answer->required), body);
            EXPECT_EQ(answer->complete, answer->required.empty());
            return;
        }
        case Route::abort:
        case Route::immutable_corrupt:
        case Route::mutable_corrupt:
            EXPECT_TRUE(read_empty(head, body));
            return;
        case Route::immutable_shares:
        case Route::mutable_shares: {
            const auto shares = read_list(head, body);
            ASSERT_TRUE(shares) << shares.error().to_string();
            EXPECT_EQ(encode_share_list(*shares), body);
            return;
        }
        case Route::immutable_read:
        case Route::mutable_read: {
            const auto bytes = read_share(head, body, request.span);
            ASSERT_TRUE(bytes) << bytes.error().to_string();
            if (head.status != 206) return;
            const Span sent = *parse_content_range(*head.fields.find("Content-Range"));
            const ReadPlan plan = plan_read(request.span, sent.last + 1);
            EXPECT_EQ(plan.status, 206);
            EXPECT_EQ(plan.sent, sent);
            EXPECT_EQ(content_range_value(sent), *head.fields.find("Content-Range"));
            return;
        }
        case Route::read_test_write: {
            const auto answer = read_read_test_write(head, body);
            ASSERT_TRUE(answer) << answer.error().to_string();
            EXPECT_EQ(encode_again(*answer), body);
            return;
        }
    }
}

class GbsGolden : public testing::TestWithParam<const char*> {};

TEST_P(GbsGolden, both_ends_say_what_tahoe_said) {
    const golden::Conversation conversation =
        golden::read(std::string(S4_SOURCE_DIR "/tests/golden/gbs/") + GetParam() + ".golden");
    const std::string& swissnum = conversation.facts.at("swissnum");
    const Client client{Secret(as_bytes(swissnum))};
    ASSERT_FALSE(conversation.exchanges.empty());
    for (const golden::Exchange& exchange : conversation.exchanges) {
        SCOPED_TRACE(exchange.request_line);
        const Received received = receive(exchange.request_bytes());
        const auto target = admit_path(received.head);
        ASSERT_TRUE(target);
        EXPECT_EQ(path_of(*target), received.head.path());
        const auto presented = presented_swissnum(received.head.fields);
        ASSERT_TRUE(presented);
        EXPECT_EQ(presented->reveal_text(), swissnum);
        const auto request = admit(received.head, *target);
        ASSERT_TRUE(request) << to_string(request.error().body);

        const ClientRequest ours = as_ours(client, *request, received.body);
        EXPECT_EQ(ours.method, received.head.method);
        EXPECT_EQ(ours.target, received.head.target);
        EXPECT_TRUE(equal(ours.body, received.body));
        http1::Fields our_fields;
        for (const auto& [name, value] : ours.fields) our_fields.add(name, value);
        EXPECT_EQ(lines_of(our_fields), lines_of(received.head.fields));
        if (exchange.answered) check_answer(exchange, *request);
    }
}

INSTANTIATE_TEST_SUITE_P(Recorded, GbsGolden,
                         testing::Values("backup", "directory", "first-contact",
                                         "immutable-segments", "immutable-small", "mdmf", "sdmf"),
                         [](const auto& info) {
                             std::string name = info.param;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace s4::proto::gbs
