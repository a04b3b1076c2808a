#include "web/forms.h"

#include "codec/base64.h"
#include "crypto/hash.h"
#include "service/limits.h"
#include "web/limits.h"

namespace s4::web {
namespace {

constexpr std::size_t kCookieValueBytes = 16;
constexpr std::size_t kSignatureBytes = 16;
constexpr std::size_t kTokenBytes = service::kSignUpNonceBytes + 8 + kSignatureBytes;

}  // namespace

Result<Forms> Forms::create(const crypto::MasterKey& master) {
    auto visitor = TRY(crypto::KeyedHash::create(master, "s4 visitor form v1"));
    auto page = TRY(crypto::KeyedHash::create(master, "s4 page form v1"));
    return Forms(std::move(visitor), std::move(page));
}

std::string Forms::new_cookie(crypto::Random& random) {
    return codec::base64::encode_url(crypto::random_bytes<kCookieValueBytes>(random));
}

bool Forms::is_cookie(std::string_view value) {
    const auto bytes = codec::base64::decode_url(value);
    return bytes && bytes->size() == kCookieValueBytes;
}

crypto::Digest256 Forms::sign(ByteView nonce, UnixSeconds made, std::string_view cookie) const {
    ByteWriter signed_bytes;
    signed_bytes.bytes(nonce).u64(static_cast<std::uint64_t>(made)).text(cookie);
    return visitor_(signed_bytes.view());
}

std::string Forms::visitor_token(crypto::Random& random, std::string_view cookie,
                                 UnixSeconds now) const {
    const auto nonce = crypto::random_bytes<service::kSignUpNonceBytes>(random);
    const crypto::Digest256 signature = sign(nonce, now, cookie);
    ByteWriter token;
    token.bytes(nonce).u64(static_cast<std::uint64_t>(now));
    token.bytes(ByteView(signature).first(kSignatureBytes));
    return codec::base64::encode_url(token.view());
}

Result<ByteBuffer> Forms::check_visitor_token(std::string_view token,
                                              const std::optional<std::string>& cookie,
                                              UnixSeconds now) const {
    if (!cookie)
        return fail(ErrorKind::unauthorized, "form.no_cookie",
                    "Your browser did not send this form's cookie back. Please allow cookies for "
                    "this site and send the form again.");
    const auto forged = [] {
        return fail(ErrorKind::unauthorized, "form.forged",
                    "This form did not come from this page. Please send it again from here.");
    };
    const auto bytes = codec::base64::decode_url(token);
    if (!bytes || bytes->size() != kTokenBytes) return forged();
    ByteReader reader(*bytes);
    const ByteView nonce = *reader.take(service::kSignUpNonceBytes);
    const auto made = static_cast<UnixSeconds>(*reader.u64());
    const crypto::Digest256 expected = sign(nonce, made, *cookie);
    if (!crypto::constant_time_equal(ByteView(expected).first(kSignatureBytes), reader.rest()))
        return forged();
    if (made > now || now - made > kFormSecondsMax)
        return fail(ErrorKind::unauthorized, "form.expired",
                    "This form stood open for more than a day. Please send it again.");
    return to_buffer(nonce);
}

std::string Forms::page_token(const Secret& capability) const {
    const crypto::Digest256 digest = page_(capability.reveal());
    return codec::base64::encode_url(ByteView(digest).first(kSignatureBytes));
}

bool Forms::is_page_token(const Secret& capability, std::string_view token) const {
    return crypto::constant_time_equal(as_bytes(page_token(capability)), as_bytes(token));
}

}  // namespace s4::web
