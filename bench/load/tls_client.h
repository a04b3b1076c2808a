// One TLS connection that never waits: bytes to send are queued, received bytes are handed out, and
// epoll is told what to wait for. Used by main.cc alone, from its one thread; lives as long as its
// socket.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace s4::bench {

struct Address {
    std::string host;
    std::uint16_t port = 0;
};

enum class Io : std::uint8_t { kDone, kWantRead, kWantWrite, kClosed };

class TlsClient {
  public:
    // `client` is the number of the host that it comes from: each connection is to look like
    // another customer's. On loopback every address of 127.0.0.0/8 will do.
    TlsClient(SSL_CTX* context, const Address& address, int client);
    ~TlsClient();
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;

    int descriptor() const { return descriptor_; }

    // `bytes` must stay until send() has returned kDone.
    void start(std::string_view bytes) { left_ = bytes; }
    // Finishes the handshake where needed and writes what is left.
    Io send();
    // Fills `into` with received bytes, at least one; `size` says how many came.
    Io receive(char* into, std::size_t room, std::size_t* size);

  private:
    Io outcome(int result);

    int descriptor_ = -1;
    SSL* ssl_ = nullptr;
    std::string_view left_;
};

// A context that trusts anyone and keeps no sessions, so that every handshake is a whole one.
std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> make_context();

}  // namespace s4::bench
