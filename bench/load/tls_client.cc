#include "tls_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace s4::bench {
namespace {

[[noreturn]] void give_up(const char* what) {
    std::fprintf(stderr, "bench_load: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

void come_from(int fd, int client) {
    constexpr int kHostsInNet = 250;
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr =
        htonl(0x7f010001u + static_cast<std::uint32_t>(client / kHostsInNet) * 256 +
              static_cast<std::uint32_t>(client % kHostsInNet));
    const int on = 1;
    // The port is chosen at connect(): fewer run out than if bind() chose it.
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0) give_up("bind");
}

int connected_socket(const Address& address, int client) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) give_up("socket");
    if (address.host.starts_with("127.")) come_from(fd, client);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(address.port);
    if (inet_pton(AF_INET, address.host.c_str(), &to.sin_addr) != 1) give_up("address");
    if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) give_up("connect");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

}  // namespace

TlsClient::TlsClient(SSL_CTX* context, const Address& address, int client)
    : descriptor_(connected_socket(address, client)), ssl_(SSL_new(context)) {
    SSL_set_fd(ssl_, descriptor_);
    SSL_set_connect_state(ssl_);
}

TlsClient::~TlsClient() {
    SSL_free(ssl_);
    close(descriptor_);
}

Io TlsClient::send() {
    if (!SSL_is_init_finished(ssl_)) {
        const int result = SSL_do_handshake(ssl_);
        if (result != 1) return outcome(result);
    }
    while (!left_.empty()) {
        std::size_t written = 0;
        const int result = SSL_write_ex(ssl_, left_.data(), left_.size(), &written);
        if (result != 1) return outcome(result);
        left_.remove_prefix(written);
    }
    return Io::kDone;
}

Io TlsClient::receive(char* into, std::size_t room, std::size_t* size) {
    const int result = SSL_read_ex(ssl_, into, room, size);
    return result == 1 ? Io::kDone : outcome(result);
}

Io TlsClient::outcome(int result) {
    switch (SSL_get_error(ssl_, result)) {
        case SSL_ERROR_WANT_READ:
            return Io::kWantRead;
        case SSL_ERROR_WANT_WRITE:
            return Io::kWantWrite;
        default:
            ERR_clear_error();
            return Io::kClosed;
    }
}

std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> make_context() {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return {context, &SSL_CTX_free};
}

}  // namespace s4::bench
