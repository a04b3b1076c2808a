// Reads one HTTP/1.1 response from pieces: status, length by Content-Length or chunks, and the
// first bytes of the body. It trusts the server: this is a measuring device, not a client.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace s4::bench {

class Response {
  public:
    // Takes bytes; true when the response is complete. Nothing may follow it: requests are not
    // pipelined.
    bool feed(std::string_view bytes);

    int status() const { return status_; }
    std::uint64_t body_bytes() const { return body_bytes_; }
    const std::string& body_start() const { return body_start_; }

  private:
    bool read_head();
    bool take_chunks(std::string_view bytes);
    void take_body(std::string_view bytes);

    bool in_body_ = false;
    bool chunked_ = false;
    std::string text_;  // the head, later a chunk's size line
    std::uint64_t left_ = 0;
    bool last_chunk_ = false;
    int status_ = 0;
    std::uint64_t body_bytes_ = 0;
    std::string body_start_;
};

}  // namespace s4::bench
