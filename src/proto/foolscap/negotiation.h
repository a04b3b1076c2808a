// Negotiation: from a fresh connection to agreed parameters (A.4 to A.6), as listener or connector,
// each as master or slave. One object a connection, on the reactor that reads it; gone once
// Established or Failed.
//
// Sans-I/O: the pump gives bytes and news, gets a Step that says what to do next, and writes
// take_output() before doing it.
//
//   listener:  Wait.. ChooseTub -> tub_chosen() -> StartTls -> tls_ready() -> Wait.. Established
//   connector:        Wait.. StartTls -> tls_ready() -> Wait.. Established
//
// Whatever goes wrong ends in Failed: the output then holds what the peer is told (nothing if the
// error was the peer's own), after which the connection is closed. Errors of negotiation tell the
// peer their text, all others "internal server error, see logs" (A.6).
//
// Strictness: unknown header lines and hello keys are ignored; the Upgrade line is not required of
// a connector's block, but is of a listener's; a block of more than 4096 bytes is refused, whereas
// bytes behind a block's end belong to what follows and are not counted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/foolscap/duplicates.h"
#include "proto/foolscap/limits.h"

namespace s4::proto::foolscap {

class Negotiation {
  public:
    enum class Role : std::uint8_t { master, slave };

    struct Wait {};  // more bytes, please
    // listener: which of our Tubs is meant? Answer with tub_chosen() or tub_unknown().
    struct ChooseTub {
        std::string tub_id;  // as the peer spelled it
    };
    struct StartTls {};  // then tls_ready()
    struct Established {
        Role role = Role::slave;
        std::string peer_tub_id;
        int vocabulary_table = 0;
        // The connection that this one replaces: close it, its calls fail.
        std::optional<ConnectionId> replaced;
    };
    struct Failed {
        Error error;
    };
    using Step = std::variant<Wait, ChooseTub, StartTls, Established, Failed>;

    static Negotiation listener();
    // `host` is the host of the hint that was connected to. The table is our own Tub's and
    // outlives the negotiation. Its first block is in the output at once.
    static Negotiation connector(ConnectionId connection, std::string my_tub_id,
                                 DuplicateTable& table, std::string target_tub_id,
                                 std::string_view host);

    // Uses bytes from the front of `bytes` until there is a step to take. What is left then belongs
    // to what the step begins: TLS, or Banana.
    Step receive(ByteView& bytes);

    Step tub_chosen(ConnectionId connection, std::string my_tub_id, DuplicateTable& table);
    Step tub_unknown();
    // The Tub is known but takes no connection now; the peer is told why.
    Step tub_refused(std::string why);
    // TLS is up. `peer_tub_id` is that of the certificate the peer presented, if it did: with
    // TLS 1.3 it is known only when the handshake is complete, and not before may this be called.
    Step tls_ready(std::optional<std::string> peer_tub_id);
    // The time (kNegotiationTime) is over. The peer is told nothing, as by the reference.
    Step timed_out();

    ByteBuffer take_output() { return std::exchange(output_, {}); }

  private:
    enum class Receiving : std::uint8_t {
        plaintext,
        choosing_tub,
        starting_tls,
        hello,
        decision,
        done,
    };
    enum class Sending : std::uint8_t { plaintext, block, banana };
    using Block = std::map<std::string, std::string>;

    struct Rejection {
        bool revealed = false;  // a negotiation error: the peer is told its text
        bool remote = false;    // the peer's own error: it is told nothing
        std::string text;
    };
    template <typename T>
    using Judged = std::expected<T, Rejection>;

    explicit Negotiation(bool is_listener) : is_listener_(is_listener) {}

    static std::unexpected<Rejection> refuse(std::string text);    // revealed
    static std::unexpected<Rejection> internal(std::string text);  // for our log only
    static std::unexpected<Rejection> reported(std::string text);  // by the peer

    std::optional<Judged<std::string>> take_block(ByteView& bytes);
    Judged<Step> handle_block(std::string_view block);
    Judged<Step> handle_request(std::string_view block) const;
    Judged<Step> handle_response(std::string_view block);
    Judged<Step> handle_hello(std::string_view block);
    Judged<Step> handle_decision(std::string_view block);
    Judged<void> check_identity(const Block& hello);
    Judged<Step> decide(const Block& hello);

    static Judged<Block> parse_block(std::string_view block);
    static std::string format_block(const Block& block);
    void send_hello();
    void send(std::string_view text) { append(output_, text); }
    Step fail_with(const Rejection& rejection);
    Step finish(Judged<Step> result);

    ConnectionId connection_;
    bool is_listener_;
    Receiving receiving_ = Receiving::plaintext;
    Sending sending_ = Sending::plaintext;
    ByteBuffer buffer_;
    ByteBuffer output_;
    std::string my_tub_id_;
    std::string target_tub_id_;  // connector
    DuplicateTable* table_ = nullptr;
    std::optional<std::string> certified_tub_id_;
    std::string peer_tub_id_;
};

}  // namespace s4::proto::foolscap
