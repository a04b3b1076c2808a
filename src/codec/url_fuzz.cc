// Forms and percent encoding: what is read can be written, and read again as the same.
#include "base/check.h"
#include "codec/url.h"
#include "codec/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4;
    using namespace s4::codec;
    const std::string_view input = as_text(ByteView(data, size));
    CHECK(url::percent_decode(url::percent_encode(input)).value() == input,
          "percent encoding does not read what it wrote");
    if (const auto decoded = url::percent_decode(input))
        CHECK(decoded->size() <= input.size(), "percent decoding made text longer");
    const auto form = url::parse_form(input);
    if (!form) return 0;
    CHECK(form->size() <= kFormFieldsMax, "a form has more fields than it may");
    for (const auto& [name, value] : *form)
        CHECK(utf8::is_valid(as_bytes(name)) && utf8::is_valid(as_bytes(value)),
              "a field of a form is not UTF-8");
    const url::FormLimits unlimited{.bytes_max = 16 * kFormBytesMax};
    CHECK(url::parse_form(url::write_form(*form), unlimited).value() == *form,
          "a form does not read what it wrote");
    return 0;
}
