#include "proto/foolscap/negotiation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "crypto/hash.h"
#include "proto/foolscap/banana.h"
#include "proto/foolscap/furl.h"
#include "proto/foolscap/vocabulary.h"

namespace s4::proto::foolscap {
namespace {

constexpr std::string_view kEndOfBlock = "\r\n\r\n";
constexpr std::string_view kInternalError = "internal server error, see logs";
constexpr int kBananaVersion = 3;
constexpr std::size_t kIncarnationBytesMax = 64;  // real ones have 16

struct Range {
    std::int64_t min = 0;
    std::int64_t max = 0;
};

std::optional<std::int64_t> parse_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// The words of a line, separated by white space.
std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> out;
    constexpr std::string_view space = " \t\r\n\v\f";
    while (true) {
        const std::size_t begin = text.find_first_not_of(space);
        if (begin == std::string_view::npos) return out;
        text.remove_prefix(begin);
        const std::size_t end = std::min(text.find_first_of(space), text.size());
        out.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
}

std::optional<Range> parse_range(std::string_view text) {
    const auto words = split(text);
    if (words.size() < 2) return std::nullopt;
    const auto min = parse_number(words[0]);
    const auto max = parse_number(words[1]);
    if (!min || !max) return std::nullopt;
    return Range{*min, *max};
}

std::optional<ConnectionMark> parse_mark(std::string_view text) {
    const auto words = split(text);
    if (words.size() < 2 || words[0].size() > kIncarnationBytesMax) return std::nullopt;
    const auto sequence = parse_number(words[1]);
    if (!sequence || *sequence < 0) return std::nullopt;
    return ConnectionMark{std::string(words[0]), static_cast<std::uint64_t>(*sequence)};
}

// The highest number in both ranges, or the sentence that says whose range is too low.
std::expected<int, std::string> best_overlap(Range mine, Range theirs, std::string_view what) {
    const std::int64_t best = std::min(mine.max, theirs.max);
    if (best < mine.min) return std::unexpected(fmt::format("I can't handle {} {}", what, best));
    if (best < theirs.min)
        return std::unexpected(fmt::format("You can't handle {} {}", what, best));
    return static_cast<int>(best);
}

std::string_view first_line(std::string_view block) {
    return block.substr(0, block.find("\r\n"));
}

}  // namespace

Negotiation Negotiation::listener() {
    return Negotiation(true);
}

Negotiation Negotiation::connector(ConnectionId connection, std::string my_tub_id,
                                   DuplicateTable& table, std::string target_tub_id,
                                   std::string_view host) {
    Negotiation out(false);
    out.connection_ = connection;
    out.my_tub_id_ = std::move(my_tub_id);
    out.table_ = &table;
    out.target_tub_id_ = std::move(target_tub_id);
    out.send(
        fmt::format("GET /id/{} HTTP/1.1\r\nHost: {}\r\nUpgrade: TLS/1.0\r\n"
                    "Connection: Upgrade\r\n\r\n",
                    out.target_tub_id_, host));
    out.sending_ = Sending::block;
    return out;
}

std::unexpected<Negotiation::Rejection> Negotiation::refuse(std::string text) {
    return std::unexpected(Rejection{.revealed = true, .text = std::move(text)});
}
std::unexpected<Negotiation::Rejection> Negotiation::internal(std::string text) {
    return std::unexpected(Rejection{.text = std::move(text)});
}
std::unexpected<Negotiation::Rejection> Negotiation::reported(std::string text) {
    return std::unexpected(Rejection{.remote = true, .text = std::move(text)});
}

Negotiation::Step Negotiation::receive(ByteView& bytes) {
    while (receiving_ == Receiving::plaintext || receiving_ == Receiving::hello ||
           receiving_ == Receiving::decision) {
        auto block = take_block(bytes);
        if (!block) return Wait{};
        if (!*block) return fail_with(block->error());
        Step step = finish(handle_block(**block));
        if (!std::holds_alternative<Wait>(step)) return step;
    }
    return Wait{};  // it is the pump's turn
}

// One block without its end, once it is whole. The limit holds for the block alone.
std::optional<Negotiation::Judged<std::string>> Negotiation::take_block(ByteView& bytes) {
    const std::size_t room = kNegotiationBytesMax - buffer_.size();
    const std::size_t had = buffer_.size();
    const ByteView candidate = bytes.first(std::min(room, bytes.size()));
    append(buffer_, candidate);
    const std::size_t from = had < kEndOfBlock.size() ? 0 : had - kEndOfBlock.size() + 1;
    const std::size_t end = as_text(buffer_).find(kEndOfBlock, from);
    if (end == std::string_view::npos) {
        const bool too_long = candidate.size() < bytes.size();
        bytes = bytes.subspan(candidate.size());
        if (too_long) return internal("Header too long");
        return std::nullopt;
    }
    std::string block(as_text(buffer_).substr(0, end));
    bytes = bytes.subspan(end + kEndOfBlock.size() - had);
    buffer_.clear();
    return block;
}

Negotiation::Judged<Negotiation::Step> Negotiation::handle_block(std::string_view block) {
    switch (receiving_) {
        case Receiving::plaintext:
            return is_listener_ ? handle_request(block) : handle_response(block);
        case Receiving::hello:
            return handle_hello(block);
        case Receiving::decision:
            return handle_decision(block);
        case Receiving::choosing_tub:
        case Receiving::starting_tls:
        case Receiving::done:
            break;
    }
    UNREACHABLE("no block is read in this phase");
}

// listener: "GET /id/TUBID HTTP/1.1".
Negotiation::Judged<Negotiation::Step> Negotiation::handle_request(std::string_view block) const {
    constexpr std::string_view path = "/id/";
    const std::string_view line = first_line(block);
    const auto words = split(line);
    if (!line.starts_with("GET ") || words.size() != 3 || !words[1].starts_with(path))
        return internal("not a Foolscap request");
    std::string tub_id(words[1].substr(path.size()));
    if (tub_id.empty()) return refuse("secure Tubs require encryption");
    return ChooseTub{std::move(tub_id)};
}

// connector: "HTTP/1.1 101 Switching Protocols" with an upgrade to TLS.
Negotiation::Judged<Negotiation::Step> Negotiation::handle_response(std::string_view block) {
    const auto words = split(first_line(block));
    if (words.size() < 2 || words[1] != "101")
        return internal(fmt::format("not right, got '{}', expected 101 Switching Protocols",
                                    first_line(block)));
    if (!block.contains("Upgrade: TLS/1.0")) return internal("header didn't contain TLS upgrade");
    return StartTls{};
}

Negotiation::Step Negotiation::tub_chosen(ConnectionId connection, std::string my_tub_id,
                                          DuplicateTable& table) {
    CHECK(receiving_ == Receiving::choosing_tub, "a tub is chosen when it was asked for");
    connection_ = connection;
    my_tub_id_ = std::move(my_tub_id);
    table_ = &table;
    send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\n"
        "Connection: Upgrade\r\n\r\n");
    sending_ = Sending::block;
    receiving_ = Receiving::starting_tls;
    return StartTls{};
}

Negotiation::Step Negotiation::tub_unknown() {
    return tub_refused("unknown TubID " + my_tub_id_);
}

Negotiation::Step Negotiation::tub_refused(std::string why) {
    CHECK(receiving_ == Receiving::choosing_tub, "a tub is chosen when it was asked for");
    return fail_with({.revealed = true, .text = std::move(why)});
}

Negotiation::Step Negotiation::tls_ready(std::optional<std::string> peer_tub_id) {
    CHECK(receiving_ == Receiving::starting_tls, "TLS was asked for");
    certified_tub_id_ = std::move(peer_tub_id);
    receiving_ = Receiving::hello;
    send_hello();
    return Wait{};
}

Negotiation::Step Negotiation::timed_out() {
    receiving_ = Receiving::done;
    return Failed{Error(ErrorKind::timeout, "negotiation.timeout", "negotiation timeout")};
}

void Negotiation::send_hello() {
    Block hello{{"banana-negotiation-range", "3 3"},
                {"initial-vocab-table-range", fmt::format("0 {}", kVocabularyTableMax)},
                {"my-incarnation", table_->incarnation()},
                {"my-tub-id", my_tub_id_}};
    if (!is_listener_) {
        const ConnectionMark mark = table_->last_connection(target_tub_id_);
        hello["last-connection"] = fmt::format("{} {}", mark.master_incarnation, mark.sequence);
    }
    send(format_block(hello));
}

Negotiation::Judged<Negotiation::Step> Negotiation::handle_hello(std::string_view text) {
    const auto hello = parse_block(text);
    if (!hello) return std::unexpected(hello.error());
    if (const auto error = hello->find("error"); error != hello->end())
        return reported(error->second);

    const auto range = hello->find("banana-negotiation-range");
    if (range == hello->end()) return refuse("No valid banana-negotiation sequence seen");
    const auto theirs = parse_range(range->second);
    if (!theirs) return internal("the banana-negotiation-range is not two numbers");
    const auto version = best_overlap({kBananaVersion, kBananaVersion}, *theirs, "banana version");
    if (!version) return refuse(version.error());
    const auto forced = hello->find("negotiation-forced");
    if (forced != hello->end() && (forced->second == "true" || forced->second == "True"))
        return internal("forced negotiation is not supported");
    if (auto identity = check_identity(*hello); !identity) return std::unexpected(identity.error());

    if (my_tub_id_ > peer_tub_id_) return decide(*hello);
    sending_ = Sending::banana;
    receiving_ = Receiving::decision;
    return Wait{};
}

Negotiation::Judged<void> Negotiation::check_identity(const Block& hello) {
    const auto claimed = hello.find("my-tub-id");
    if (!certified_tub_id_) {
        if (claimed != hello.end()) return internal("you must use a certificate to claim a TubID");
        return internal("the peer has no certificate");
    }
    if (claimed == hello.end() || claimed->second != *certified_tub_id_)
        return internal("TubID mismatch");
    if (!is_listener_ && claimed->second != target_tub_id_)
        return internal("connected to the wrong Tub");
    peer_tub_id_ = claimed->second;
    return {};
}

// We are master: judge the offer, tell the decision, and the connection counts from here on.
Negotiation::Judged<Negotiation::Step> Negotiation::decide(const Block& hello) {
    DuplicateOffer offer;
    if (const auto it = hello.find("my-incarnation"); it != hello.end()) {
        if (it->second.size() > kIncarnationBytesMax) return internal("my-incarnation is too long");
        offer.incarnation = it->second;
    }
    if (const auto it = hello.find("last-connection"); it != hello.end()) {
        offer.last_connection = parse_mark(it->second);
        if (!offer.last_connection) return internal("last-connection is not a mark");
    }
    Range vocabularies;
    if (const auto it = hello.find("initial-vocab-table-range"); it != hello.end()) {
        const auto range = parse_range(it->second);
        if (!range) return internal("the initial-vocab-table-range is not two numbers");
        vocabularies = *range;
    }
    if (!accepted(table_->judge(peer_tub_id_, offer))) return refuse("Duplicate connection");
    const auto vocabulary =
        best_overlap({0, kVocabularyTableMax}, vocabularies, "initial vocab set");
    if (!vocabulary) return refuse(vocabulary.error());

    const auto attached =
        table_->attach_as_master(peer_tub_id_, connection_, std::move(offer.incarnation));
    send(format_block(
        {{"banana-decision-version", fmt::format("{}", kBananaVersion)},
         {"current-connection", fmt::format("{} {}", table_->incarnation(), attached.sequence)},
         {"initial-vocab-table-index",
          fmt::format("{} {}", *vocabulary, vocabulary_hash(*vocabulary))}}));
    return Established{Role::master, peer_tub_id_, *vocabulary, attached.replaced};
}

Negotiation::Judged<Negotiation::Step> Negotiation::handle_decision(std::string_view text) {
    const auto decision = parse_block(text);
    if (!decision) return std::unexpected(decision.error());
    const auto version = decision->find("banana-decision-version");
    if (version == decision->end()) return refuse("No banana-decision-version value");
    if (const auto error = decision->find("error"); error != decision->end())
        return reported("Banana negotiation failed: " + error->second);
    if (parse_number(version->second) != kBananaVersion)
        return refuse("I cannot handle banana-decision-version value of " +
                      version->second.substr(0, 20));

    int vocabulary = 0;
    if (const auto it = decision->find("initial-vocab-table-index"); it != decision->end()) {
        const auto words = split(it->second);
        const auto index = words.empty() ? std::nullopt : parse_number(words[0]);
        if (words.size() != 2 || !index) return internal("the vocabulary index is not a number");
        if (*index < 0 || *index > kVocabularyTableMax)
            return refuse(fmt::format("I can't handle initial vocab table index {}", *index));
        vocabulary = static_cast<int>(*index);
        if (vocabulary > 0 && words[1] != vocabulary_hash(vocabulary))
            return refuse(
                fmt::format("Our hash for vocab-table-index {} ({}) does not match your hash ({})",
                            vocabulary, vocabulary_hash(vocabulary), words[1].substr(0, 20)));
    }
    std::optional<ConnectionMark> mark;
    if (const auto it = decision->find("current-connection"); it != decision->end()) {
        mark = parse_mark(it->second);
        if (!mark) return internal("current-connection is not a mark");
    }
    const auto replaced = table_->attach_as_slave(peer_tub_id_, connection_, std::move(mark));
    return Established{Role::slave, peer_tub_id_, vocabulary, replaced};
}

// "key: value" lines; a later line with the same key wins.
Negotiation::Judged<Negotiation::Block> Negotiation::parse_block(std::string_view text) {
    Block block;
    while (true) {
        const std::size_t end = text.find("\r\n");
        const std::string_view line = text.substr(0, end);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) return internal("a line has no colon");
        std::string key(line.substr(0, colon));
        for (char& c : key)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        std::string_view value = line.substr(colon + 1);
        value.remove_prefix(std::min(value.find_first_not_of(" \t\r\n\v\f"), value.size()));
        block.insert_or_assign(std::move(key), std::string(value));
        if (end == std::string_view::npos) return block;
        text.remove_prefix(end + 2);
    }
}

std::string Negotiation::format_block(const Block& block) {
    std::string out;
    for (const auto& [key, value] : block) out += fmt::format("{}: {}\r\n", key, value);
    return out + "\r\n";
}

// Keeps the phase in step with what the pump is asked to do.
Negotiation::Step Negotiation::finish(Judged<Step> result) {
    if (!result) return fail_with(result.error());
    if (const auto* choose = std::get_if<ChooseTub>(&*result)) {
        my_tub_id_ = choose->tub_id;  // for the text of tub_unknown()
        receiving_ = Receiving::choosing_tub;
    }
    if (std::holds_alternative<StartTls>(*result)) receiving_ = Receiving::starting_tls;
    if (std::holds_alternative<Established>(*result)) receiving_ = Receiving::done;
    return *std::move(result);
}

Negotiation::Step Negotiation::fail_with(const Rejection& rejection) {
    receiving_ = Receiving::done;
    if (rejection.remote)
        return Failed{Error(ErrorKind::closed, "negotiation.remote", rejection.text)};
    std::string text(rejection.revealed ? rejection.text : std::string(kInternalError));
    std::replace_if(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
    switch (sending_) {
        case Sending::plaintext:
            send(fmt::format("HTTP/1.1 500 Internal Server Error: {}\r\n\r\n", text));
            break;
        case Sending::block:
            send(format_block({{"banana-decision-version", "1"}, {"error", text}}));
            break;
        case Sending::banana: {
            Encoder encoder(0);
            encoder.error(text);
            append(output_, encoder.out());
            break;
        }
    }
    const bool duplicate = rejection.text == "Duplicate connection";
    return Failed{Error(ErrorKind::invalid,
                        duplicate ? "negotiation.duplicate" : "negotiation.refused",
                        rejection.text)};
}

}  // namespace s4::proto::foolscap
