#include "response.h"

#include <algorithm>
#include <cstdlib>

namespace s4::bench {
namespace {

constexpr std::size_t kBodyStartBytes = 4096;

// The value of a header, whose name is given with its colon in lower case; empty when there is
// none.
std::string_view value_of(const std::string& head, std::string_view name) {
    for (std::size_t line = head.find("\r\n"); line != std::string::npos;
         line = head.find("\r\n", line + 2)) {
        const std::string_view rest = std::string_view(head).substr(line + 2);
        if (rest.size() < name.size()) return {};
        const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
        if (!std::equal(name.begin(), name.end(), rest.begin(),
                        [&](char b, char a) { return same(a, b); }))
            continue;
        const std::size_t end = rest.find("\r\n");
        std::string_view value = rest.substr(name.size(), end - name.size());
        value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
        return value;
    }
    return {};
}

}  // namespace

bool Response::feed(std::string_view bytes) {
    if (!in_body_) {
        text_ += bytes;
        const std::size_t end = text_.find("\r\n\r\n");
        if (end == std::string::npos) return false;
        const std::string rest = text_.substr(end + 4);
        text_.resize(end + 2);
        in_body_ = true;
        if (read_head()) return true;
        return feed(rest);
    }
    if (chunked_) return take_chunks(bytes);
    take_body(bytes);
    return left_ == 0;
}

// True when no body follows.
bool Response::read_head() {
    status_ = std::atoi(text_.c_str() + text_.find(' ') + 1);
    chunked_ = value_of(text_, "transfer-encoding:") == "chunked";
    left_ = std::strtoull(std::string(value_of(text_, "content-length:")).c_str(), nullptr, 10);
    text_.clear();
    if (status_ == 204) return true;
    return !chunked_ && left_ == 0;
}

bool Response::take_chunks(std::string_view bytes) {
    while (!bytes.empty()) {
        if (left_ > 0) {
            const std::size_t now = std::min<std::size_t>(left_, bytes.size());
            take_body(bytes.substr(0, now));
            bytes.remove_prefix(now);
            continue;
        }
        text_ += bytes.front();
        bytes.remove_prefix(1);
        if (!text_.ends_with("\r\n")) continue;
        if (text_ == "\r\n") {
            if (last_chunk_) return true;
        } else {
            left_ = std::strtoull(text_.c_str(), nullptr, 16);
            last_chunk_ = left_ == 0;
        }
        text_.clear();
    }
    return false;
}

void Response::take_body(std::string_view bytes) {
    left_ -= std::min<std::uint64_t>(left_, bytes.size());
    body_bytes_ += bytes.size();
    if (body_start_.size() < kBodyStartBytes)
        body_start_ += bytes.substr(0, kBodyStartBytes - body_start_.size());
}

}  // namespace s4::bench
