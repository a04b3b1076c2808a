#include "base/result.h"

namespace s4 {

std::string Error::sentence() const {
    std::string out;
    for (auto it = context_.rbegin(); it != context_.rend(); ++it) out += *it + ": ";
    return out + message_;
}

std::string Error::to_string() const {
    std::string out = sentence();
    out += " [";
    out += code_;
    out += ']';
    return out;
}

std::string_view to_string(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid:
            return "invalid";
        case ErrorKind::unauthorized:
            return "unauthorized";
        case ErrorKind::not_found:
            return "not found";
        case ErrorKind::conflict:
            return "conflict";
        case ErrorKind::too_large:
            return "too large";
        case ErrorKind::no_space:
            return "no space";
        case ErrorKind::unavailable:
            return "unavailable";
        case ErrorKind::timeout:
            return "timeout";
        case ErrorKind::cancelled:
            return "cancelled";
        case ErrorKind::closed:
            return "closed";
        case ErrorKind::corrupt:
            return "corrupt";
        case ErrorKind::io:
            return "i/o";
        case ErrorKind::unsupported:
            return "unsupported";
    }
    return "unknown";
}

}  // namespace s4
