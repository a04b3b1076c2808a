// Tokens by which a form shows that it came from a page of ours (protection from cross-site request
// forgery).
//
// A visitor's form: the token carries a fresh nonce and the time, signed together with a cookie
// that only our pages set, so another site can neither make one nor use its own. The nonce also
// names the sign-up: sending the same form again finds the same one.
// A capability's page: the token is made of the capability, which another site does not know.
//
// Immutable after creation; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/units.h"
#include "crypto/master_key.h"
#include "crypto/random.h"
#include "crypto/seal.h"

namespace s4::web {

class Forms {
  public:
    static Result<Forms> create(const crypto::MasterKey& master);

    // A cookie's value for a visitor who has none.
    static std::string new_cookie(crypto::Random& random);
    // Whether this may be a value that new_cookie() made.
    static bool is_cookie(std::string_view value);

    std::string visitor_token(crypto::Random& random, std::string_view cookie,
                              UnixSeconds now) const;
    // The token's nonce. Errors, with sentences for the visitor: form.no_cookie, form.expired,
    // form.forged.
    Result<ByteBuffer> check_visitor_token(std::string_view token,
                                           const std::optional<std::string>& cookie,
                                           UnixSeconds now) const;

    std::string page_token(const Secret& capability) const;
    bool is_page_token(const Secret& capability, std::string_view token) const;

  private:
    Forms(crypto::KeyedHash visitor, crypto::KeyedHash page)
        : visitor_(std::move(visitor)), page_(std::move(page)) {}

    crypto::Digest256 sign(ByteView nonce, UnixSeconds made, std::string_view cookie) const;

    crypto::KeyedHash visitor_;
    crypto::KeyedHash page_;
};

}  // namespace s4::web
