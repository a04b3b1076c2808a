#include "proto/http1/parser.h"

#include <gtest/gtest.h>

#include "proto/http1/serializer.h"

namespace s4::proto::http1 {
namespace {

// What a parser made of a conversation: heads as text, bodies joined, ends counted.
struct Seen {
    std::vector<std::string> heads;
    std::string body;
    int ends = 0;
    std::optional<Error> error;
    std::size_t left = 0;
};

std::string describe(const RequestHead& head) {
    std::string out = head.method_name + " " + head.target;
    for (std::size_t i = 0; i < head.fields.size(); ++i)
        out += "|" + std::string(head.fields[i].name) + "=" + std::string(head.fields[i].value);
    return out;
}
std::string describe(const ResponseHead& head) {
    return std::to_string(head.status);
}

void restart(RequestParser& parser) {
    parser.reset();
}
void restart(ResponseParser& parser) {
    parser.reset(Method::get);
}

// Shows `wire` to the parser as if it came `step` bytes at a time.
template <typename Parser>
Seen run(Parser& parser, std::string_view wire, std::size_t step) {
    Seen seen;
    std::size_t at = 0;
    std::size_t end = 0;
    for (;;) {
        const auto next = parser.next(as_bytes(wire.substr(at, end - at)));
        if (!next) {
            seen.error = next.error();
            return seen;
        }
        at += next->consumed;
        switch (next->what) {
            case Step::What::head:
                seen.heads.push_back(describe(parser.head()));
                break;
            case Step::What::body:
                seen.body += to_string(next->body);
                break;
            case Step::What::end:
                ++seen.ends;
                restart(parser);
                break;
            case Step::What::need_more:
                seen.left = wire.size() - at;
                if (end == wire.size()) return seen;
                end = std::min(end + step, wire.size());
        }
    }
}

Seen run_request(std::string_view wire, std::size_t step = 1 << 20, const Limits& limits = {}) {
    RequestParser parser(limits);
    return run(parser, wire, step);
}

std::string code_of(std::string_view wire, const Limits& limits = {}) {
    const Seen seen = run_request(wire, 1 << 20, limits);
    return seen.error ? std::string(seen.error->code()) : "accepted";
}

// As Tahoe's client sends an allocate request (reference traces), with the next request behind it.
constexpr std::string_view kTwoRequests =
    "POST /storage/v1/immutable/72okehjbuigv7aihvjibkbcne4 HTTP/1.1\r\n"
    "Content-Length: 5\r\n"
    "X-Tahoe-Authorization: lease-renew-secret AAAA\r\n"
    "X-Tahoe-Authorization: upload-secret BBBB\r\n"
    "Host: x\r\n\r\nhello"
    "GET /storage/v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

TEST(RequestParser, keeps_repeated_fields_apart_and_reads_pipelined_requests) {
    for (const std::size_t step : {1UL, 2UL, 7UL, 100UL, 10000UL}) {
        const Seen seen = run_request(kTwoRequests, step);
        ASSERT_FALSE(seen.error) << seen.error->to_string();
        ASSERT_EQ(seen.heads.size(), 2);
        EXPECT_EQ(seen.heads[0],
                  "POST /storage/v1/immutable/72okehjbuigv7aihvjibkbcne4|Content-Length=5|"
                  "X-Tahoe-Authorization=lease-renew-secret AAAA|X-Tahoe-Authorization="
                  "upload-secret BBBB|Host=x");
        EXPECT_EQ(seen.body, "hello");
        EXPECT_EQ(seen.ends, 2);
        EXPECT_EQ(seen.left, 0);
    }
}

TEST(RequestParser, says_what_the_head_means) {
    RequestParser parser;
    const auto step =
        parser.next(as_bytes("PATCH /a/b?c=d HTTP/1.1\r\nhost: x\r\nCONTENT-length: 7\r\nExpect: "
                             "100-Continue\r\nConnection: x, Close\r\n\r\n"));
    ASSERT_EQ(step->what, Step::What::head);
    const RequestHead& head = parser.head();
    EXPECT_EQ(head.method, Method::patch);
    EXPECT_EQ(head.path(), "/a/b");
    EXPECT_EQ(head.query(), "c=d");
    EXPECT_EQ(head.content_length, 7);
    EXPECT_TRUE(head.expects_continue);
    EXPECT_FALSE(head.keep_alive);
    EXPECT_EQ(head.fields.find("Content-Length"), "7");
    EXPECT_FALSE(head.fields.find("Accept"));
}

TEST(RequestParser, decodes_chunks_and_passes_over_extensions_and_trailers) {
    constexpr std::string_view wire =
        "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;why=not\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Trailer: y\r\n\r\n";
    for (std::size_t step = 1; step < 40; ++step) {
        const Seen seen = run_request(wire, step);
        ASSERT_FALSE(seen.error) << step << ": " << seen.error->to_string();
        EXPECT_EQ(seen.body, "hello world");
        EXPECT_EQ(seen.ends, 1);
        EXPECT_EQ(seen.heads[0], "PUT /|Host=x|Transfer-Encoding=chunked");
    }
}

TEST(RequestParser, a_body_without_chunks_may_come_in_any_pieces) {
    for (const char* last : {"0\r\n\r\n", "0\r\nX-Trailer: y\r\n\r\n", "0;a=b\r\n\r\n"}) {
        const std::string wire =
            "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(last);
        for (std::size_t step = 1; step < 10; ++step) {
            const Seen seen = run_request(wire, step);
            ASSERT_FALSE(seen.error) << step << ": " << seen.error->to_string();
            EXPECT_EQ(seen.body, "");
            EXPECT_EQ(seen.ends, 1);
        }
    }
}

TEST(RequestParser, what_has_come_of_a_chunk_is_told_at_once) {
    const Seen seen =
        run_request("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 1000);
    EXPECT_EQ(seen.body, "ab");
    EXPECT_EQ(seen.ends, 0);
}

TEST(RequestParser, refuses_what_could_be_read_in_two_ways) {
    const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n";
    EXPECT_EQ(code_of(get + "\r\n"), "accepted");
    EXPECT_EQ(code_of(get + "A: b\r\n c\r\n\r\n"), "http1.folded_field");
    EXPECT_EQ(code_of(get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
              "http1.bad_coding");
    EXPECT_EQ(code_of(get + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
              "http1.bad_length");
    EXPECT_EQ(code_of(get + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
              "http1.bad_length");
    EXPECT_EQ(code_of(get + "Content-Length: 5, 5\r\n\r\nhello"), "http1.bad_length");
    EXPECT_EQ(code_of(get + "Content-Length: +5\r\n\r\nhello"), "http1.bad_length");
    EXPECT_EQ(code_of(get + "Content-Length: -1\r\n\r\n"), "http1.bad_length");
    EXPECT_EQ(code_of(get + "Content-Length: 18446744073709551616\r\n\r\n"), "http1.bad_length");
    EXPECT_EQ(code_of(get + "Transfer-Encoding: gzip, chunked\r\n\r\n"), "http1.unknown_coding");
    EXPECT_EQ(code_of(get + "Transfer-Encoding: identity\r\n\r\n"), "http1.unknown_coding");
    EXPECT_EQ(code_of(get + "Bad Name: x\r\n\r\n"), "http1.bad_field");
    EXPECT_EQ(code_of(get + "Name : x\r\n\r\n"), "http1.bad_field");
    EXPECT_EQ(code_of(get + "A: b\nC: d\r\n\r\n"), "http1.bad_field");
    EXPECT_EQ(code_of(get + std::string("A: b\0c\r\n\r\n", 11)), "http1.bad_field");
    EXPECT_EQ(code_of("GET / HTTP/1.1\r\n\r\n"), "http1.bad_host");
    EXPECT_EQ(code_of(get + "Host: y\r\n\r\n"), "http1.bad_host");
    EXPECT_EQ(code_of("GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n"), "http1.bad_target");
    EXPECT_EQ(code_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), "http1.bad_version");
    EXPECT_EQ(code_of("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "http1.bad_coding");
    EXPECT_EQ(code_of("GET / HTTP/1.0\r\n\r\n"), "accepted");
    EXPECT_EQ(code_of("\x16\x03\x01\x02\x00\x01\r\n\r\n"), "http1.bad_request_line");
    EXPECT_EQ(code_of("\r\n\r\n" + get + "\r\n"), "accepted");
    EXPECT_EQ(code_of("\r\n\r\n\r\n" + get + "\r\n"), "http1.bad_request_line");
    EXPECT_EQ(code_of("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
              "http1.bad_chunk");
}

TEST(RequestParser, each_refusal_can_be_turned_off) {
    Strictness lenient;
    lenient.refuse_folded_fields = lenient.require_host = lenient.require_origin_form = false;
    RequestParser parser({}, lenient);
    const Seen seen = run(parser, "GET http://x/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 3);
    ASSERT_FALSE(seen.error) << seen.error->to_string();
    EXPECT_EQ(seen.heads[0], "GET http://x/|A=b c");
}

TEST(RequestParser, stays_failed) {
    RequestParser parser;
    EXPECT_FALSE(parser.next(as_bytes("nonsense\r\n\r\n")));
    EXPECT_FALSE(parser.next(as_bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
}

// A request whose head has exactly `size` bytes.
std::string head_of(std::size_t size) {
    std::string head = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
    return head + std::string(size - head.size() - 4, 'a') + "\r\n\r\n";
}

TEST(RequestParser, holds_each_limit_at_the_limit_and_refuses_one_past_it) {
    Limits limits;
    limits.head_bytes_max = 500;
    limits.fields_max = 3;
    limits.target_bytes_max = 20;
    for (const std::size_t step : {1UL, 10000UL}) {
        EXPECT_FALSE(run_request(head_of(500), step, limits).error);
        const Seen past = run_request(head_of(501), step, limits);
        ASSERT_TRUE(past.error);
        EXPECT_EQ(past.error->code(), "http1.head_too_large");
        EXPECT_EQ(status_for(*past.error), 431);
    }
    const std::string endless(501, 'G');
    EXPECT_EQ(code_of(endless, limits), "http1.head_too_large");

    const std::string get = "GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\n";
    EXPECT_EQ(code_of(get + "\r\n", limits), "accepted");
    EXPECT_EQ(code_of(get + "C: 3\r\n\r\n", limits), "http1.too_many_fields");

    const auto with_target = [](std::size_t n) {
        return "GET /" + std::string(n - 1, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n";
    };
    EXPECT_EQ(code_of(with_target(20), limits), "accepted");
    EXPECT_EQ(code_of(with_target(21), limits), "http1.target_too_long");

    limits = Limits();
    limits.chunk_head_bytes_max = 50;
    const auto with_extension = [](std::size_t n) {
        return "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" +
               std::string(n - 2, 'a');
    };
    EXPECT_EQ(code_of(with_extension(50), limits), "accepted");
    EXPECT_EQ(code_of(with_extension(51), limits), "http1.chunk_head_too_large");
}

TEST(ResponseParser, reads_bodies_by_length_by_chunks_and_to_the_end) {
    for (const std::size_t step : {1UL, 5UL, 1000UL}) {
        ResponseParser parser;
        parser.reset(Method::get);
        Seen seen =
            run(parser,
                "HTTP/1.1 100 Continue\r\n\r\n"
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
                "HTTP/1.1 204 No Content\r\n\r\n"
                "HTTP/1.1 206 Partial\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n"
                "HTTP/1.1 500 Oh\r\n\r\nghi",
                step);
        ASSERT_FALSE(seen.error) << seen.error->to_string();
        EXPECT_EQ(seen.body, "abcdefghi");
        EXPECT_EQ(seen.heads, (std::vector<std::string>{"200", "204", "206", "500"}));
        EXPECT_EQ(seen.ends, 3);
        EXPECT_EQ(parser.ended()->what, Step::What::end);
    }
}

TEST(ResponseParser, an_answer_to_head_has_no_body) {
    ResponseParser parser;
    parser.reset(Method::head);
    const auto head = parser.next(as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"));
    EXPECT_EQ(head->what, Step::What::head);
    EXPECT_EQ(parser.head().content_length, 10);
    EXPECT_EQ(parser.next({})->what, Step::What::end);
}

TEST(ResponseParser, a_cut_answer_is_an_error) {
    ResponseParser parser;
    parser.reset(Method::get);
    (void)run(parser, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", 100);
    EXPECT_EQ(parser.ended().error().code(), "http1.truncated");
}

TEST(Serializer, what_is_written_is_what_is_parsed) {
    ByteBuffer out;
    begin_response(out, 206);
    add_field(out, "Content-Range", "bytes 0-3/*");
    add_field(out, "Content-Length", std::uint64_t{4});
    end_head(out);
    EXPECT_EQ(to_string(out),
              "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/*\r\nContent-Length: "
              "4\r\n\r\n");
    out.clear();
    begin_request(out, "GET", "/x");
    add_field(out, "Host", "x");
    add_field(out, "A", std::string_view("b\r\nInjected: yes\0", 16));
    end_head(out);
    const Seen seen = run_request(as_text(out));
    EXPECT_EQ(seen.heads.at(0), "GET /x|Host=x|A=b  Injected: yes");
    out.clear();
    add_chunk_head(out, 255);
    EXPECT_EQ(to_string(out), "ff\r\n");
}

TEST(Message, names_and_lists_ignore_case) {
    EXPECT_TRUE(same_name("CONTENT-length", "Content-Length"));
    EXPECT_FALSE(same_name("Content-Lengt", "Content-Length"));
    EXPECT_TRUE(list_has("keep-alive,  Close", "close"));
    EXPECT_FALSE(list_has("closed", "close"));
    EXPECT_EQ(method_of("get"), Method::other);
    for (const Method m : {Method::get, Method::delete_, Method::options})
        EXPECT_EQ(method_of(name_of(m)), m);
}

}  // namespace
}  // namespace s4::proto::http1
