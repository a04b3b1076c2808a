#include "codec/url.h"

#include <fmt/format.h>

#include "codec/hex.h"
#include "codec/utf8.h"

namespace s4::codec::url {
namespace {

bool is_unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

std::string encode(std::string_view text, std::string_view blank) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (c == ' ') {
            out += blank;
        } else if (is_unreserved(c)) {
            out += c;
        } else {
            const auto byte = static_cast<std::uint8_t>(c);
            out += '%';
            out += kDigits[byte >> 4];
            out += kDigits[byte & 15];
        }
    }
    return out;
}

Result<std::string> decode(std::string_view text, char blank) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == blank) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            const auto byte = hex::decode(text.substr(i + 1, 2));
            if (!byte || byte->size() != 1)
                return fail(ErrorKind::invalid, "url.invalid",
                            "a % must be followed by two hexadecimal digits");
            out += static_cast<char>(byte->front());
            i += 2;
        }
    }
    return out;
}

Result<std::string> decode_field(std::string_view text) {
    std::string out = TRY(decode(text, '+'));
    if (!utf8::is_valid(as_bytes(out)))
        return fail(ErrorKind::invalid, "url.invalid", "a form field is not valid UTF-8");
    return out;
}

}  // namespace

std::string percent_encode(std::string_view text) {
    return encode(text, "%20");
}

// A blank cannot stand in an encoded text; where it does it is kept.
Result<std::string> percent_decode(std::string_view text) {
    return decode(text, ' ');
}

Result<FormFields> parse_form(std::string_view text, const FormLimits& limits) {
    if (text.size() > limits.bytes_max)
        return fail(ErrorKind::too_large, "url.form_too_large",
                    fmt::format("a form may have at most {} bytes", limits.bytes_max));
    FormFields fields;
    while (!text.empty()) {
        const std::size_t end = text.find('&');
        const std::string_view field = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (field.empty()) continue;
        if (fields.size() == limits.fields_max)
            return fail(ErrorKind::too_large, "url.form_too_large",
                        fmt::format("a form may have at most {} fields", limits.fields_max));
        const std::size_t equals = field.find('=');
        const bool has_value = equals != std::string_view::npos;
        std::string name = TRY(decode_field(field.substr(0, equals)));
        std::string value = TRY(decode_field(has_value ? field.substr(equals + 1) : ""));
        fields.emplace_back(std::move(name), std::move(value));
    }
    return fields;
}

std::string write_form(const FormFields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) {
        if (!out.empty()) out += '&';
        out += encode(name, "+");
        out += '=';
        out += encode(value, "+");
    }
    return out;
}

}  // namespace s4::codec::url
