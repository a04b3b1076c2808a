// The one file that includes Beast.
#include "proto/http1/parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace s4::proto::http1 {

namespace {

namespace beast = boost::beast;
using BeastError = beast::error_code;
using BeastText = beast::string_view;

std::string_view text_of(BeastText text) {
    return {text.data(), text.size()};
}

Error bad(std::string_view code, std::string message) {
    return {ErrorKind::invalid, code, std::move(message)};
}

// What Beast's parser found wrong, in words for whoever sent it.
Error error_of(const BeastError& ec) {
    using beast::http::error;
    if (ec == error::bad_method || ec == error::bad_target)
        return bad("http1.bad_request_line", "the request line is not METHOD TARGET HTTP/1.1");
    if (ec == error::bad_version)
        return {ErrorKind::unsupported, "http1.bad_version",
                "the first line does not name HTTP/1.0 or HTTP/1.1"};
    if (ec == error::bad_status || ec == error::bad_reason)
        return bad("http1.bad_status_line", "the status line is malformed");
    if (ec == error::bad_field || ec == error::bad_value || ec == error::bad_line_ending ||
        ec == error::bad_obs_fold)
        return bad("http1.bad_field", "a header line is not NAME: VALUE ended by CR LF");
    if (ec == error::bad_content_length || ec == error::multiple_content_length)
        return bad("http1.bad_length", "Content-Length is not one number, or contradicts the rest");
    if (ec == error::bad_transfer_encoding)
        return bad("http1.bad_coding", "Transfer-Encoding contradicts the other header lines");
    if (ec == error::bad_chunk || ec == error::bad_chunk_extension)
        return bad("http1.bad_chunk", "a chunk of the body is malformed");
    return bad("http1.malformed", "the message is malformed: " + ec.message());
}

// Turns Beast's callbacks into the head and at most one event. One object reads one message; the
// parsers below make a new one for the next.
template <bool isRequest>
class Grammar final : public beast::http::basic_parser<isRequest> {
  public:
    using Head = std::conditional_t<isRequest, RequestHead, ResponseHead>;

    Grammar(Head& head, const Limits& limits, const Strictness& strictness)
        : head_(head), limits_(limits), strictness_(strictness) {
        this->eager(false);
        this->body_limit(boost::none);
        this->header_limit(static_cast<std::uint32_t>(limits.head_bytes_max));
    }

    ByteView body;  // the piece that the last put() delivered
    bool head_complete = false;
    std::optional<Error> refusal;  // why a callback made put() fail

    bool between_chunks() const { return head_.chunked && chunk_bytes_left_ == 0; }

  private:
    void on_request_impl(beast::http::verb, BeastText method, BeastText target, int version,
                         BeastError& ec) override {
        if constexpr (isRequest) {
            if (target.size() > limits_.target_bytes_max)
                return refuse(ec, {ErrorKind::too_large, "http1.target_too_long",
                                   "the request's target is too long"});
            head_.method_name.assign(method.data(), method.size());
            head_.method = method_of(head_.method_name);
            head_.target.assign(target.data(), target.size());
            head_.minor_version = version - 10;
        }
    }

    void on_response_impl(int status, BeastText reason, int version, BeastError&) override {
        if constexpr (!isRequest) {
            head_.status = status;
            head_.reason.assign(reason.data(), reason.size());
            head_.minor_version = version - 10;
        }
    }

    void on_field_impl(beast::http::field field, BeastText name, BeastText value,
                       BeastError& ec) override {
        if (head_complete) return;  // a trailer: nothing here needs one
        if (head_.fields.size() >= limits_.fields_max)
            return refuse(ec, {ErrorKind::too_large, "http1.too_many_fields",
                               "the message has too many header lines"});
        if (field == beast::http::field::transfer_encoding && strictness_.refuse_other_codings &&
            !same_name(text_of(value), "chunked"))
            return refuse(ec, {ErrorKind::unsupported, "http1.unknown_coding",
                               "the only Transfer-Encoding understood is chunked"});
        head_.fields.add(text_of(name), text_of(value));
    }

    void on_header_impl(BeastError& ec) override {
        head_complete = true;
        head_.keep_alive = this->keep_alive();
        head_.chunked = this->chunked();
        if (const auto length = this->content_length()) head_.content_length = *length;
        if (auto error = contradiction()) return refuse(ec, std::move(*error));
        if constexpr (isRequest)
            head_.expects_continue =
                head_.minor_version >= 1 &&
                list_has(head_.fields.find("Expect").value_or(""), "100-continue");
    }

    void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
    std::size_t on_body_impl(BeastText piece, BeastError&) override { return deliver(piece); }
    void on_chunk_header_impl(std::uint64_t size, BeastText, BeastError&) override {
        chunk_bytes_left_ = size;
    }
    std::size_t on_chunk_body_impl(std::uint64_t left, BeastText piece, BeastError&) override {
        chunk_bytes_left_ = left - piece.size();
        return deliver(piece);
    }
    void on_finish_impl(BeastError&) override {}

    std::size_t deliver(BeastText piece) {
        body = as_bytes(text_of(piece));
        return piece.size();
    }

    // What the complete head says twice or not at all.
    std::optional<Error> contradiction() const {
        const bool coded = head_.fields.count("Transfer-Encoding") > 0;
        const std::size_t lengths = head_.fields.count("Content-Length");
        if (strictness_.refuse_length_with_chunked && coded && lengths > 0)
            return bad("http1.bad_length",
                       "Content-Length and Transfer-Encoding exclude each other");
        if (strictness_.refuse_repeated_length &&
            (lengths > 1 || head_.fields.find("Content-Length").value_or("").contains(',')))
            return bad("http1.bad_length", "Content-Length is given more than once");
        if (strictness_.refuse_chunked_in_1_0 && coded && head_.minor_version == 0)
            return bad("http1.bad_coding", "HTTP/1.0 has no Transfer-Encoding");
        if constexpr (isRequest) {
            if (strictness_.require_host && head_.minor_version >= 1 &&
                head_.fields.count("Host") != 1)
                return bad("http1.bad_host", "a request needs exactly one Host line");
            if (strictness_.require_origin_form && !head_.target.starts_with('/') &&
                !(head_.target == "*" && head_.method == Method::options))
                return bad("http1.bad_target", "the request's target does not begin with /");
        }
        return std::nullopt;
    }

    void refuse(BeastError& ec, Error why) {
        refusal = std::move(why);
        ec = beast::http::error::bad_field;
    }

    Head& head_;
    const Limits& limits_;
    const Strictness& strictness_;
    std::uint64_t chunk_bytes_left_ = 0;
};

// What ends a chunked body at the shortest. Beast ends the process when it is shown the last
// chunk's line again with less behind it; and as much follows the head and every chunk's data, so
// that nothing is lost by waiting for it.
constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Whether a header line is continued by a following one. Beast has read on to the character behind
// each line, so a continuation lies whole in the bytes that one call consumed.
bool has_folded_line(ByteView consumed) {
    const std::string_view text = as_text(consumed);
    for (std::size_t at = text.find('\n'); at != std::string_view::npos;
         at = text.find('\n', at + 1))
        if (at + 1 < text.size() && (text[at + 1] == ' ' || text[at + 1] == '\t')) return true;
    return false;
}

}  // namespace

// ---- what both parsers share

namespace {

template <bool isRequest>
struct Machine {
    Limits limits;
    Strictness strictness;
    typename Grammar<isRequest>::Head head;
    std::optional<Grammar<isRequest>> grammar;
    std::size_t head_bytes = 0;
    int empty_lines = 0;
    bool ended = false;
    std::optional<Error> failure;

    Machine(const Limits& l, const Strictness& s) : limits(l), strictness(s) { reset(); }

    void reset() {
        head.clear();
        grammar.emplace(head, limits, strictness);
        head_bytes = 0;
        empty_lines = 0;
        ended = false;
        failure.reset();
    }

    std::unexpected<Error> give_up(Error error) {
        failure = error;
        return fail(std::move(error));
    }

    Result<Step> next(ByteView input) {
        if (failure) return fail(*failure);
        if (ended) return Step{Step::What::need_more};
        if (grammar->is_done()) {
            ended = true;
            return Step{Step::What::end};
        }
        return grammar->head_complete ? next_of_body(input) : next_of_head(input);
    }

    Result<Step> next_of_head(ByteView input) {
        std::size_t used = skip_empty_lines(input);
        ByteView shown = input.subspan(used);
        const bool cut = shown.size() > limits.head_bytes_max - head_bytes;
        if (cut) shown = shown.first(limits.head_bytes_max - head_bytes);
        BeastError ec;
        const std::size_t n = grammar->put({shown.data(), shown.size()}, ec);
        head_bytes += n;
        used += n;
        if (strictness.refuse_folded_fields && has_folded_line(shown.first(n)))
            return give_up(bad("http1.folded_field", "a header line continues on the next one"));
        if (ec == beast::http::error::need_more) {
            if (head_bytes + (shown.size() - n) < limits.head_bytes_max)
                return Step{Step::What::need_more, used};
            return give_up(head_too_large());
        }
        if (ec == beast::http::error::header_limit) return give_up(head_too_large());
        if (ec) return give_up(grammar->refusal ? *grammar->refusal : error_of(ec));
        return Step{Step::What::head, used};
    }

    Result<Step> next_of_body(ByteView input) {
        std::size_t used = 0;
        while (used < input.size()) {
            const ByteView shown = input.subspan(used);
            if (grammar->between_chunks() && shown.size() < kLastChunk.size()) break;
            grammar->body = {};
            BeastError ec;
            used += grammar->put({shown.data(), shown.size()}, ec);
            if (ec == beast::http::error::need_more) {
                if (input.size() - used > limits.chunk_head_bytes_max)
                    return give_up({ErrorKind::too_large, "http1.chunk_head_too_large",
                                    "the line before a chunk, or the trailer, is too long"});
                break;
            }
            if (ec) return give_up(grammar->refusal ? *grammar->refusal : error_of(ec));
            if (!grammar->body.empty()) return Step{Step::What::body, used, grammar->body};
            if (grammar->is_done()) {
                ended = true;
                return Step{Step::What::end, used};
            }
        }
        return Step{Step::What::need_more, used};
    }

    std::size_t skip_empty_lines(ByteView input) {
        std::size_t used = 0;
        while (isRequest && head_bytes == 0 && empty_lines < kEmptyLinesMax &&
               as_text(input.subspan(used)).starts_with("\r\n")) {
            used += 2;
            ++empty_lines;
        }
        return used;
    }

    static Error head_too_large() {
        return {ErrorKind::too_large, "http1.head_too_large", "the message's head is too large"};
    }
};

}  // namespace

// ---- requests

struct RequestParser::Parts : Machine<true> {
    using Machine::Machine;
};

RequestParser::RequestParser(const Limits& limits, const Strictness& strictness)
    : parts_(std::make_unique<Parts>(limits, strictness)) {}
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;
RequestParser::~RequestParser() = default;

Result<Step> RequestParser::next(ByteView input) {
    return parts_->next(input);
}
const RequestHead& RequestParser::head() const {
    return parts_->head;
}
bool RequestParser::in_message() const {
    return !parts_->ended && (parts_->head_bytes > 0 || parts_->failure);
}
void RequestParser::reset() {
    parts_->reset();
}

int status_for(const Error& error) {
    if (error.is("http1.target_too_long")) return 414;
    if (error.is("http1.head_too_large") || error.is("http1.too_many_fields")) return 431;
    if (error.is("http1.bad_version")) return 505;
    if (error.is("http1.unknown_coding")) return 501;
    return error.kind() == ErrorKind::too_large ? 413 : 400;
}

// ---- responses

struct ResponseParser::Parts : Machine<false> {
    Method request = Method::get;
    using Machine::Machine;

    void begin() {
        reset();
        grammar->skip(request == Method::head);
    }
};

ResponseParser::ResponseParser(const Limits& limits, const Strictness& strictness)
    : parts_(std::make_unique<Parts>(limits, strictness)) {}
ResponseParser::ResponseParser(ResponseParser&&) noexcept = default;
ResponseParser& ResponseParser::operator=(ResponseParser&&) noexcept = default;
ResponseParser::~ResponseParser() = default;

Result<Step> ResponseParser::next(ByteView input) {
    std::size_t used = 0;
    for (;;) {
        Step step = TRY(parts_->next(input.subspan(used)));
        used += step.consumed;
        step.consumed = used;
        const int status = parts_->head.status;
        if (step.what != Step::What::head || status >= 200 || status == 101) return step;
        parts_->begin();  // an interim answer: the real one follows
    }
}

Result<Step> ResponseParser::ended() {
    if (parts_->failure) return fail(*parts_->failure);
    if (parts_->ended) return Step{Step::What::need_more};
    if (parts_->grammar->head_complete && !parts_->grammar->is_done()) {
        BeastError ec;
        parts_->grammar->put_eof(ec);
        if (!ec) {
            parts_->ended = true;
            return Step{Step::What::end};
        }
    }
    return parts_->give_up({ErrorKind::closed, "http1.truncated",
                            "the connection ended before the answer was complete"});
}

const ResponseHead& ResponseParser::head() const {
    return parts_->head;
}

void ResponseParser::reset(Method request) {
    parts_->request = request;
    parts_->begin();
}

}  // namespace s4::proto::http1
