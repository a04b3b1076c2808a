// Negotiation blocks from strangers, as listener and as connector, master and slave: the first byte
// chooses. Nothing but the five steps may come of it, and never more than one block is held.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "proto/foolscap/negotiation.h"

namespace {

using namespace s4;
using namespace s4::proto::foolscap;

const std::string kLow = "2" + std::string(31, 'a');
const std::string kHigh = "z" + std::string(31, 'a');

// Plays the pump: says yes to every tub and to TLS.
void drive(Negotiation machine, DuplicateTable& table, const std::string& mine,
           const std::string& peer, ByteView bytes, std::size_t step_size) {
    while (!bytes.empty()) {
        ByteView piece = bytes.first(std::min(step_size, bytes.size()));
        const std::size_t given = piece.size();
        auto step = machine.receive(piece);
        bytes = bytes.subspan(given - piece.size());
        CHECK(!std::holds_alternative<Negotiation::Wait>(step) || piece.empty(),
              "a machine that waits has used everything");
        if (std::holds_alternative<Negotiation::ChooseTub>(step))
            step = machine.tub_chosen(ConnectionId{2}, mine, table);
        if (std::holds_alternative<Negotiation::StartTls>(step)) step = machine.tls_ready(peer);
        CHECK(machine.take_output().size() < 8192, "answers are short");
        if (std::holds_alternative<Negotiation::Established>(step)) {
            CHECK(table.live(peer).has_value(), "an established connection is in the table");
            return;
        }
        if (std::holds_alternative<Negotiation::Failed>(step)) return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::uint8_t choice = data[0];
    const ByteView bytes(data + 1, size - 1);
    const bool high = (choice & 1) != 0;
    const std::string& mine = high ? kHigh : kLow;
    const std::string& peer = high ? kLow : kHigh;
    DuplicateTable table("57009250bb1db740");
    if ((choice & 2) != 0) table.attach_as_master(peer, ConnectionId{1}, "ceac47d5b5c92616");
    const std::size_t step = (choice & 4) != 0 ? 3 : 4096;
    if ((choice & 8) != 0) {
        drive(Negotiation::connector(ConnectionId{2}, mine, table, peer, "h"), table, mine, peer,
              bytes, step);
    } else {
        drive(Negotiation::listener(), table, mine, peer, bytes, step);
    }
    return 0;
}
