#include "proto/gbs/client.h"

#include <fmt/format.h>

#include "base/check.h"
#include "proto/gbs/limits.h"

namespace s4::proto::gbs {

namespace {

constexpr std::string_view kSecretField = "X-Tahoe-Authorization";

void add(ClientRequest& request, std::string_view name, const Secret& secret) {
    request.fields.emplace_back(kSecretField, secret_value(name, secret));
}

void add(ClientRequest& request, const LeaseSecrets& lease) {
    add(request, "lease-renew-secret", lease.renew);
    add(request, "lease-cancel-secret", lease.cancel);
}

void add_cbor(ClientRequest& request, ByteBuffer body) {
    request.fields.emplace_back("Content-Type", kCborType);
    request.body = std::move(body);
}

ErrorKind kind_of(int status) {
    switch (status) {
        case 401:
            return ErrorKind::unauthorized;
        case 404:
            return ErrorKind::not_found;
        case 409:
            return ErrorKind::conflict;
        case 413:
            return ErrorKind::too_large;
        case 507:
            return ErrorKind::no_space;
        default:
            return status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid;
    }
}

std::unexpected<Error> refused(const AnswerHead& head, ByteView body) {
    std::string text = to_string(body.first(std::min(body.size(), kErrorTextBytesMax)));
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return fail(kind_of(head.status), "gbs.refused",
                fmt::format("the storage server answered {}{}{}", head.status,
                            text.empty() ? "" : ": ", text));
}

Result<void> expect_type(const AnswerHead& head, std::string_view type) {
    const std::string_view value = head.fields.find("Content-Type").value_or("");
    if (http1::same_name(value.substr(0, value.find(';')), type)) return ok();
    return fail(ErrorKind::invalid, "gbs.bad_answer",
                fmt::format("the storage server's answer {} is not {}", head.status, type));
}

Result<void> expect_cbor(const AnswerHead& head, ByteView body) {
    if (head.status < 200 || head.status > 299) return refused(head, body);
    return expect_type(head, kCborType);
}

}  // namespace

ClientRequest Client::make(const Target& target) const {
    ClientRequest request;
    request.route = target.route;
    request.method = method_of(target.route);
    request.target = path_of(target);
    request.fields.emplace_back("Authorization", authorization_);
    request.fields.emplace_back("Accept", kCborType);
    return request;
}

ClientRequest Client::version() const {
    return make({.route = Route::version});
}

ClientRequest Client::add_lease(const StorageIndex& index, const LeaseSecrets& lease) const {
    ClientRequest request = make({.route = Route::lease, .index = index});
    add(request, lease);
    return request;
}

ClientRequest Client::allocate(const StorageIndex& index, const LeaseSecrets& lease,
                               const Secret& upload, const AllocateRequest& body) const {
    ClientRequest request = make({.route = Route::allocate, .index = index});
    add(request, lease);
    add(request, "upload-secret", upload);
    add_cbor(request, encode(body));
    return request;
}

ClientRequest Client::write(const StorageIndex& index, ShareNumber share, const Secret& upload,
                            std::uint64_t offset, ByteBuffer data) const {
    CHECK(!data.empty(), "a range of no bytes cannot be written down");
    ClientRequest request = make({.route = Route::write, .index = index, .share = share});
    add(request, "upload-secret", upload);
    request.fields.emplace_back("Content-Range",
                                content_range_value({offset, offset + data.size() - 1}));
    request.body = std::move(data);
    return request;
}

ClientRequest Client::abort(const StorageIndex& index, ShareNumber share,
                            const Secret& upload) const {
    ClientRequest request = make({.route = Route::abort, .index = index, .share = share});
    add(request, "upload-secret", upload);
    return request;
}

ClientRequest Client::list(Route route, const StorageIndex& index) const {
    return make({.route = route, .index = index});
}

ClientRequest Client::read(Route route, const StorageIndex& index, ShareNumber share,
                           std::optional<Span> span) const {
    ClientRequest request = make({.route = route, .index = index, .share = share});
    if (span) request.fields.emplace_back("Range", range_value(*span));
    return request;
}

ClientRequest Client::advise_corrupt(Route route, const StorageIndex& index, ShareNumber share,
                                     std::string_view reason) const {
    ClientRequest request = make({.route = route, .index = index, .share = share});
    add_cbor(request, encode_reason(reason));
    return request;
}

ClientRequest Client::read_test_write(const StorageIndex& index, const Secret& write_enabler,
                                      const LeaseSecrets& lease, const ReadTestWriteRequest& body,
                                      ByteView gathered) const {
    ClientRequest request = make({.route = Route::read_test_write, .index = index});
    add(request, "write-enabler", write_enabler);
    add(request, lease);
    add_cbor(request, encode(body, gathered));
    return request;
}

Result<VersionAnswer> read_version(const AnswerHead& head, ByteView body) {
    TRY(expect_cbor(head, body));
    return parse_version_answer(body);
}

Result<void> read_lease(const AnswerHead& head, ByteView body) {
    if (head.status != 204) return refused(head, body);
    return ok();
}

Result<AllocateAnswer> read_allocate(const AnswerHead& head, ByteView body) {
    TRY(expect_cbor(head, body));
    return parse_allocate_answer(body);
}

Result<WriteResult> read_write(const AnswerHead& head, ByteView body) {
    if (head.status != 200 && head.status != 201) return refused(head, body);
    TRY(expect_type(head, kCborType));
    return WriteResult {
        .complete = head.status == 201, .required = TRY(parse_required(body))
    };
}

Result<void> read_empty(const AnswerHead& head, ByteView body) {
    if (head.status != 200) return refused(head, body);
    return ok();
}

Result<std::vector<ShareNumber>> read_list(const AnswerHead& head, ByteView body) {
    if (head.status != 200) return refused(head, body);
    TRY(expect_type(head, kCborType));
    return parse_share_list(body);
}

Result<ByteBuffer> read_share(const AnswerHead& head, ByteBuffer body, std::optional<Span> asked) {
    if (head.status == 204 && asked) return ByteBuffer();
    TRY(expect_type(head, kBytesType));
    if (head.status != (asked ? 206 : 200)) return refused(head, body);
    if (!asked) return body;
    const auto span = parse_content_range(head.fields.find("Content-Range").value_or(""));
    if (!span || span->first != asked->first || span->last > asked->last ||
        span->size() != body.size())
        return fail(ErrorKind::invalid, "gbs.bad_answer",
                    "the storage server's answer is not the range that was asked for");
    return body;
}

Result<ReadTestWriteAnswer> read_read_test_write(const AnswerHead& head, ByteView body) {
    if (head.status != 200) return refused(head, body);
    TRY(expect_type(head, kCborType));
    return parse_read_test_write_answer(body);
}

}  // namespace s4::proto::gbs
