// Announcements, signed by somebody: what verifies is relayed as it came, and never stands against
// itself. The first byte decides whether the rest is a message that is signed here, or all three
// parts, one behind the other, as a stranger may send them.
#include "base/check.h"
#include "introducer/announcement.h"

namespace s4::introducer {
namespace {

SignedAnnouncement sign(std::string_view message) {
    static const auto key = crypto::Ed25519PrivateKey::from_seed(Secret(ByteBuffer(32, 7))).value();
    return {.message = std::string(message),
            .signature = crypto::signature_text(key.sign(as_bytes(message))),
            .key = key.public_key().server_id()};
}

SignedAnnouncement cut(std::string_view input) {
    const std::size_t first = input.find('\0');
    const std::size_t second = first == input.npos ? first : input.find('\0', first + 1);
    if (second == input.npos) return {.message = std::string(input), .signature = "", .key = ""};
    return {.message = std::string(input.substr(0, first)),
            .signature = std::string(input.substr(first + 1, second - first - 1)),
            .key = std::string(input.substr(second + 1))};
}

}  // namespace
}  // namespace s4::introducer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4;
    using namespace s4::introducer;
    if (size < 1) return 0;
    const std::string_view input = as_text(ByteView(data + 1, size - 1));
    const SignedAnnouncement parts = data[0] & 1 ? sign(input) : cut(input);
    const auto read = verify(parts);
    if (!read) return 0;
    CHECK(read->parts == parts, "an announcement is not relayed as it came");
    CHECK(!read->service.empty(), "an announcement of no service");
    CHECK(decide(nullptr, *read) == Decision::accept, "a first announcement is refused");
    CHECK(decide(&*read, *read) == Decision::duplicate, "an announcement follows itself");
    return 0;
}
