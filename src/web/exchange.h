// One request and its answer as plain values: what Site decides on, without a connection.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/http1/message.h"

namespace s4::web {

struct Request {
    proto::http1::RequestHead head;
    std::string body;             // of POST; at most kFormBodyBytesMax
    bool body_too_large = false;  // then it was not read
    std::string client_address;   // an IP literal
};

struct Answer {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;

    void set(std::string_view name, std::string_view value) {
        fields.emplace_back(std::string(name), std::string(value));
    }
};

}  // namespace s4::web
