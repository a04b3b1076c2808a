// Base64 (RFC 4648), strict: the padding must be there in the standard form and must not be in the
// URL form, unused bits are zero, and no white space is skipped.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace s4::codec::base64 {

// Alphabet with + and /, padded: HTTP headers of the storage protocol, PEM.
std::string encode(ByteView bytes);
// Errors: base64.invalid.
Result<ByteBuffer> decode(std::string_view text);

// Alphabet with - and _, not padded: the key hash of a NURL, capabilities in page addresses.
std::string encode_url(ByteView bytes);
// Errors: base64.invalid.
Result<ByteBuffer> decode_url(std::string_view text);

}  // namespace s4::codec::base64
