#include "crypto/seal.h"

#include <fmt/format.h>
#include <sodium.h>

#include "base/check.h"
#include "crypto/sodium_ready.h"

namespace s4::crypto {
namespace {

constexpr std::string_view kPurpose = "s4 seal v1";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 1 + 4;
constexpr std::size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(kHeaderBytes + kNonceBytes + kTagBytes == kSealOverheadBytes);

ByteBuffer additional_data(ByteView header, std::string_view place) {
    ByteBuffer out = to_buffer(header);
    append(out, place);
    return out;
}

}  // namespace

Result<Sealer> Sealer::create(const MasterKey& master) {
    sodium_ready();
    return Sealer(master, TRY(master.derive(master.current(), kPurpose)));
}

ByteBuffer Sealer::seal(Random& random, const Secret& secret, std::string_view place) const {
    ByteWriter header;
    header.u8(kVersion).u32(master_->current());
    ByteBuffer out = std::move(header).take();
    out.resize(kSealOverheadBytes + secret.size());
    const MutByteView nonce = MutByteView(out).subspan(kHeaderBytes, kNonceBytes);
    random.fill(nonce);
    const ByteBuffer additional = additional_data(ByteView(out).first(kHeaderBytes), place);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        out.data() + kHeaderBytes + kNonceBytes, nullptr, secret.reveal().data(), secret.size(),
        additional.data(), additional.size(), nullptr, nonce.data(), current_.reveal().data());
    return out;
}

Result<Secret> Sealer::open(ByteView sealed, std::string_view place) const {
    ByteReader in(sealed);
    const auto version = in.u8();
    if (version && *version != kVersion)
        return fail(ErrorKind::unsupported, "seal.invalid",
                    fmt::format("a sealed secret has version {}, this program knows version {}",
                                *version, kVersion));
    const auto key_id = in.u32();
    const auto nonce = in.take(kNonceBytes);
    if (!nonce || in.remaining() < kTagBytes)
        return fail(ErrorKind::corrupt, "seal.invalid", "a sealed secret is cut short");
    const ByteView content = in.rest();

    Secret other;
    if (*key_id != master_->current()) {
        auto derived = master_->derive(*key_id, kPurpose);
        if (!derived)
            return fail(ErrorKind::corrupt, "seal.unknown_key", derived.error().message());
        other = std::move(*derived);
    }
    const Secret& key = other.empty() ? current_ : other;
    const ByteBuffer additional = additional_data(sealed.first(kHeaderBytes), place);
    ByteBuffer out(content.size() - kTagBytes);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            out.data(), nullptr, nullptr, content.data(), content.size(), additional.data(),
            additional.size(), nonce->data(), key.reveal().data()) != 0)
        return fail(
            ErrorKind::corrupt, "seal.forged",
            fmt::format("the sealed secret at {} does not open: its bytes were changed, or it "
                        "was sealed for another place",
                        place));
    return Secret(std::move(out));
}

Result<KeyedHash> KeyedHash::create(const MasterKey& master, std::string_view purpose) {
    return KeyedHash(TRY(master.derive(master.current(), purpose)));
}

}  // namespace s4::crypto
