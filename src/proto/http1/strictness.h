// Strictness: what the parsers refuse beyond the grammar, each with its reason. All on for every
// peer we know; a field is turned off only for a named client that needs it, with that reason
// beside it. The fuzzers run every combination.
#pragma once

namespace s4::proto::http1 {

struct Strictness {
    // RFC 9112 section 5.2: a line that continues a field is obsolete, and read differently by
    // different programs.
    bool refuse_folded_fields = true;
    // RFC 9112 section 6.3: a message with both Transfer-Encoding and Content-Length may be an
    // attempt at smuggling.
    bool refuse_length_with_chunked = true;
    // RFC 9110 section 8.6 allows "5, 5"; nobody honest sends it.
    bool refuse_repeated_length = true;
    // Only "chunked" is understood: any other coding would be delivered undecoded.
    bool refuse_other_codings = true;
    // RFC 9112 section 3.2: a request of version 1.1 without exactly one Host is answered by 400.
    bool require_host = true;
    // RFC 9112 section 3.2.1: we are no proxy, so a target begins with '/' (or is '*' for OPTIONS).
    bool require_origin_form = true;
    // HTTP/1.0 has no Transfer-Encoding (RFC 9112 section 6.1).
    bool refuse_chunked_in_1_0 = true;
};

}  // namespace s4::proto::http1
