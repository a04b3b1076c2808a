// Percent encoding (RFC 3986) and HTML forms (application/x-www-form-urlencoded).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/limits.h"

namespace s4::codec::url {

// Everything but the unreserved characters (letters, digits, - . _ ~) becomes %XX.
std::string percent_encode(std::string_view text);
// A % without two hex digits is an error. '+' stays '+'. The result may be any bytes. Errors:
// url.invalid.
Result<std::string> percent_decode(std::string_view text);

using FormFields = std::vector<std::pair<std::string, std::string>>;  // in the order they came

struct FormLimits {
    std::size_t bytes_max = kFormBytesMax;
    std::size_t fields_max = kFormFieldsMax;
};

// Reads a form body or a query: '+' is a blank, a field without '=' has an empty value, empty
// fields are skipped, names and values must be UTF-8. Errors: url.invalid, url.form_too_large.
Result<FormFields> parse_form(std::string_view text, const FormLimits& limits = {});
std::string write_form(const FormFields& fields);

}  // namespace s4::codec::url
