#include <arpa/inet.h>

#include <array>

#include "codec/hex.h"
#include "service/service.h"

namespace s4::service {

std::string address_key(std::string_view address) {
    std::array<std::uint8_t, 16> bytes{};
    if (inet_pton(AF_INET6, std::string(address).c_str(), bytes.data()) != 1)
        return std::string(address);
    constexpr std::array<std::uint8_t, 12> kMappedIpv4 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (equal(ByteView(bytes).first(12), kMappedIpv4)) {
        std::array<char, INET_ADDRSTRLEN> text{};
        inet_ntop(AF_INET, bytes.data() + 12, text.data(), text.size());
        return text.data();
    }
    return codec::hex::encode(ByteView(bytes).first(8)) + "/64";
}

}  // namespace s4::service
