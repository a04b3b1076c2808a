#include "workload.h"

#include <array>

namespace s4::bench {
namespace {

constexpr std::uint64_t kPieceBytes = 1 << 20;  // as Tahoe's client sends a share

// 32 bytes of 'r', 32 of 'c', 20 of 'u' and 32 of 'w' in base64.
constexpr std::string_view kRenew =
    "X-Tahoe-Authorization: lease-renew-secret cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\r\n";
constexpr std::string_view kCancel =
    "X-Tahoe-Authorization: lease-cancel-secret Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2M=\r\n";
constexpr std::string_view kUpload =
    "X-Tahoe-Authorization: upload-secret dXV1dXV1dXV1dXV1dXV1dXV1dXU=\r\n";
constexpr std::string_view kEnabler =
    "X-Tahoe-Authorization: write-enabler d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3c=\r\n";

// Where one connection's n-th share lies: 26 characters of base32 that spread over all prefixes.
std::string storage_index(std::uint64_t seed, int connection, std::uint64_t n) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz234567";
    std::string out;
    std::uint64_t state = seed * 0x9e3779b97f4a7c15u +
                          static_cast<std::uint64_t>(connection) * 0xbf58476d1ce4e5b9u +
                          n * 0x94d049bb133111ebu;
    while (out.size() < 25) {
        state ^= state >> 31;
        state = state * 0xd6e8feb86659fd93u + 1;
        out += kLetters[state >> 59];
    }
    return out + 'a';
}

std::string number(std::uint64_t value) {
    return std::to_string(value);
}

void put_number(std::string& out, unsigned major, std::uint64_t value) {
    const char high = static_cast<char>(major << 5);
    if (value < 24) {
        out += static_cast<char>(high | static_cast<char>(value));
        return;
    }
    out += static_cast<char>(high | 27);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}
void put_text(std::string& out, std::string_view text) {
    put_number(out, 3, text.size());
    out += text;
}
void put_bytes(std::string& out, std::string_view bytes) {
    put_number(out, 2, bytes.size());
    out += bytes;
}

class Requests {
  public:
    explicit Requests(const Wish& wish) {
        common_ = "Host: " + wish.host + "\r\nAccept: application/cbor\r\n";
        if (!wish.authorization.empty()) common_ += "Authorization: " + wish.authorization + "\r\n";
    }
    std::string without_body(std::string_view start, std::string_view headers = {}) const {
        return std::string(start) + " HTTP/1.1\r\n" + common_ + std::string(headers) + "\r\n";
    }
    std::string with_body(std::string_view start, std::string_view headers,
                          std::string_view body) const {
        return std::string(start) + " HTTP/1.1\r\n" + common_ + std::string(headers) +
               "Content-Length: " + number(body.size()) + "\r\n\r\n" + std::string(body);
    }

  private:
    std::string common_;
};

// The same GET each time; with `anew`, on a new connection.
class Get : public Workload {
  public:
    Get(const Wish& wish, bool anew) : anew_(anew) {
        std::string headers;
        if (!wish.range.empty()) headers = "Range: bytes=" + wish.range + "\r\n";
        if (anew) headers += "Connection: close\r\n";
        request_ = Requests(wish).without_body("GET " + wish.path, headers);
    }
    std::string_view request() override { return request_; }
    Next answered(const Response& r) override {
        return r.status() >= 200 && r.status() < 300 ? Next::kOperationDone : Next::kWrong;
    }
    bool reconnects() const override { return anew_; }

  private:
    std::string request_;
    bool anew_;
};

// Allocates one share and writes it in pieces of 1 MiB; each operation a new storage index.
class Upload : public Workload {
  public:
    Upload(const Wish& wish, int connection)
        : wish_(wish), requests_(wish), connection_(connection) {
        data_.resize(std::min(wish.share_bytes, kPieceBytes));
        for (std::size_t i = 0; i < data_.size(); ++i)
            data_[i] =
                static_cast<char>(i * 31 + (i >> 8) * 7 + static_cast<std::size_t>(connection));
    }
    std::string_view request() override {
        if (!allocated_) {
            index_ = storage_index(wish_.seed, connection_, n_++);
            std::string body = "\xa2";
            put_text(body, "share-numbers");
            body += std::string_view("\xd9\x01\x02\x81\x00", 5);
            put_text(body, "allocated-size");
            put_number(body, 0, wish_.share_bytes);
            current_ =
                requests_.with_body("POST /storage/v1/immutable/" + index_,
                                    std::string(kRenew) + std::string(kCancel) +
                                        std::string(kUpload) + "Content-Type: application/cbor\r\n",
                                    body);
        } else {
            const std::uint64_t size = std::min(kPieceBytes, wish_.share_bytes - written_);
            current_ = requests_.with_body("PATCH /storage/v1/immutable/" + index_ + "/0",
                                           std::string(kUpload) + "Content-Range: bytes " +
                                               number(written_) + "-" +
                                               number(written_ + size - 1) + "/*\r\n",
                                           std::string_view(data_).substr(0, size));
        }
        return current_;
    }
    Next answered(const Response& r) override {
        if (!allocated_) {
            allocated_ = true;
            written_ = 0;
            // The response ends with allocated's set: {0} is 81 00, {} is 80. Key order is the
            // server's.
            return r.status() == 200 ? Next::kMore : Next::kWrong;
        }
        written_ += std::min(kPieceBytes, wish_.share_bytes - written_);
        const bool complete = written_ == wish_.share_bytes;
        if (r.status() != (complete ? 201 : 200)) return Next::kWrong;
        allocated_ = !complete;
        return complete ? Next::kOperationDone : Next::kMore;
    }

  private:
    Wish wish_;
    Requests requests_;
    int connection_;
    std::string data_;
    std::string current_;
    std::string index_;
    std::uint64_t n_ = 0;
    std::uint64_t written_ = 0;
    bool allocated_ = false;
};

// Rewrites the connection's own slot: tests the first eight bytes against what it wrote last,
// writes anew.
class Mutable : public Workload {
  public:
    Mutable(const Wish& wish, int connection) : wish_(wish), requests_(wish) {
        path_ = "POST /storage/v1/mutable/" + storage_index(wish.seed, connection, 0) +
                "/read-test-write";
    }
    std::string_view request() override {
        std::string data(wish_.share_bytes, 'm');
        const std::string tag = "v" + number(10'000'000 + n_ % 10'000'000).substr(1);
        data.replace(0, tag.size(), tag);
        std::string body = "\xa2";
        put_text(body, "test-write-vectors");
        body += std::string_view("\xa1\x00\xa3", 3);
        put_text(body, "test");
        body += "\x81\xa3";
        put_text(body, "offset");
        put_number(body, 0, 0);
        put_text(body, "size");
        put_number(body, 0, n_ == 0 ? 1 : tag.size());
        put_text(body, "specimen");
        put_bytes(body, last_);
        put_text(body, "write");
        body += "\x81\xa2";
        put_text(body, "offset");
        put_number(body, 0, 0);
        put_text(body, "data");
        put_bytes(body, data);
        put_text(body, "new-length");
        body += '\xf6';
        put_text(body, "read-vector");
        body += '\x80';
        last_ = tag;
        ++n_;
        current_ =
            requests_.with_body(path_,
                                std::string(kRenew) + std::string(kCancel) + std::string(kEnabler) +
                                    "Content-Type: application/cbor\r\n",
                                body);
        return current_;
    }
    Next answered(const Response& r) override {
        const bool written =
            r.status() == 200 && r.body_start().find("success\xf5") != std::string::npos;
        return written ? Next::kOperationDone : Next::kWrong;
    }

  private:
    Wish wish_;
    Requests requests_;
    std::string path_;
    std::string current_;
    std::string last_;
    std::uint64_t n_ = 0;
};

// Renews the lease of the share at `path`.
class Lease : public Workload {
  public:
    explicit Lease(const Wish& wish) {
        request_ = Requests(wish).with_body("PUT " + wish.path,
                                            std::string(kRenew) + std::string(kCancel), {});
    }
    std::string_view request() override { return request_; }
    Next answered(const Response& r) override {
        return r.status() == 204 ? Next::kOperationDone : Next::kWrong;
    }

  private:
    std::string request_;
};

}  // namespace

std::unique_ptr<Workload> make_workload(const Wish& wish, int connection) {
    if (wish.operation == "get") return std::make_unique<Get>(wish, false);
    if (wish.operation == "connect") return std::make_unique<Get>(wish, true);
    if (wish.operation == "upload") return std::make_unique<Upload>(wish, connection);
    if (wish.operation == "mutable") return std::make_unique<Mutable>(wish, connection);
    if (wish.operation == "lease") return std::make_unique<Lease>(wish);
    return nullptr;
}

}  // namespace s4::bench
