#include "proto/gbs/messages.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/cbor.h"
#include "proto/gbs/limits.h"

namespace s4::proto::gbs {

namespace cbor = codec::cbor;

namespace {

constexpr std::string_view kProtocol = "http://allmydata.org/tahoe/protocols/storage/v1";

std::unexpected<Error> bad(std::string sentence) {
    return fail(ErrorKind::invalid, "gbs.bad_body", std::move(sentence));
}

// The codec's errors become this protocol's, with the place in the document.
template <typename T>
Result<T> at(std::string_view place, Result<T> result) {
    if (result) return result;
    return bad(
        fmt::format("The body is not what is expected at {}: {}", place, result.error().message()));
}

// The keys of one closed map: which were seen, so that none comes twice and none is missing.
class Keys {
  public:
    Keys(std::string_view place, std::initializer_list<std::string_view> names)
        : place_(place), names_(names) {}

    // Which of the names this is.
    Result<std::size_t> take(std::string_view key) {
        const auto found = std::ranges::find(names_, key);
        if (found == names_.end())
            return bad(fmt::format("Unexpected key \"{}\" at {}", printable(key), place_));
        const auto i = static_cast<std::size_t>(found - names_.begin());
        if (seen_ & 1u << i)
            return bad(fmt::format("The key \"{}\" comes twice at {}", key, place_));
        seen_ |= 1u << i;
        return i;
    }
    Result<void> finish() const {
        for (std::size_t i = 0; i < names_.size(); ++i)
            if (!(seen_ & 1u << i))
                return bad(fmt::format("The key \"{}\" is missing at {}", names_[i], place_));
        return ok();
    }

  private:
    static std::string printable(std::string_view key) {
        std::string out(key.substr(0, 40));
        for (char& c : out)
            if (c < 0x20 || c > 0x7e) c = '?';
        return out;
    }

    std::string_view place_;
    std::vector<std::string_view> names_;
    std::uint32_t seen_ = 0;
};

Result<ShareNumber> share_number(cbor::Reader& in, std::string_view place) {
    const std::uint64_t number = TRY(at(place, in.unsigned_int()));
    if (number > kShareNumberMax)
        return bad(fmt::format("A share number at {} is above {}", place, kShareNumberMax));
    return static_cast<ShareNumber>(number);
}

Result<std::vector<ShareNumber>> share_set(cbor::Reader& in, std::string_view place) {
    TRY(at(place, in.begin_set()));
    std::vector<ShareNumber> shares;
    while (TRY(at(place, in.more()))) {
        if (shares.size() >= kShareNumbersMax)
            return bad(fmt::format("The set at {} must have between 0 and {} items", place,
                                   kShareNumbersMax));
        shares.push_back(TRY(share_number(in, place)));
    }
    std::ranges::sort(shares);
    shares.erase(std::ranges::unique(shares).begin(), shares.end());
    return shares;
}

void write_set(cbor::Writer& out, const std::vector<ShareNumber>& shares) {
    out.begin_set(shares.size());
    for (const ShareNumber share : shares) out.unsigned_int(share);
}

}  // namespace

// ---- version: the only maps with byte strings as keys

ByteBuffer encode(const VersionAnswer& answer) {
    cbor::Writer out;
    out.begin_map(2).bytes(as_bytes(kProtocol)).begin_map(3);
    out.bytes(as_bytes("maximum-immutable-share-size"))
        .unsigned_int(answer.immutable_share_bytes_max);
    out.bytes(as_bytes("maximum-mutable-share-size")).unsigned_int(answer.mutable_share_bytes_max);
    out.bytes(as_bytes("available-space")).unsigned_int(answer.available_bytes);
    out.bytes(as_bytes("application-version")).bytes(as_bytes(answer.application_version));
    return out.take();
}

namespace {

Result<void> read_sizes(cbor::Reader& in, VersionAnswer& answer) {
    Keys keys("/protocol",
              {"maximum-immutable-share-size", "maximum-mutable-share-size", "available-space"});
    std::uint64_t* const fields[] = {&answer.immutable_share_bytes_max,
                                     &answer.mutable_share_bytes_max, &answer.available_bytes};
    TRY(at("/protocol", in.begin_map()));
    while (TRY(at("/protocol", in.more()))) {
        const std::size_t i = TRY(keys.take(as_text(TRY(at("/protocol", in.bytes())))));
        *fields[i] = TRY(at("/protocol", in.unsigned_int()));
    }
    return keys.finish();
}

}  // namespace

Result<VersionAnswer> parse_version_answer(ByteView body) {
    cbor::Reader in(body);
    VersionAnswer answer;
    Keys keys("/", {kProtocol, "application-version"});
    TRY(at("/", in.begin_map()));
    while (TRY(at("/", in.more()))) {
        if (TRY(keys.take(as_text(TRY(at("/", in.bytes()))))) == 0) {
            TRY(read_sizes(in, answer));
        } else {
            answer.application_version = to_string(TRY(at("/application-version", in.bytes())));
        }
    }
    TRY(keys.finish());
    return answer;
}

// ---- allocate

ByteBuffer encode(const AllocateRequest& request) {
    cbor::Writer out;
    out.begin_map(2).text("share-numbers");
    write_set(out, request.shares);
    out.text("allocated-size").unsigned_int(request.size);
    return out.take();
}

Result<AllocateRequest> parse_allocate_request(ByteView body) {
    cbor::Reader in(body);
    AllocateRequest request;
    Keys keys("/", {"share-numbers", "allocated-size"});
    TRY(at("/", in.begin_map()));
    while (TRY(at("/", in.more()))) {
        if (TRY(keys.take(TRY(at("/", in.text())))) == 0) {
            request.shares = TRY(share_set(in, "/share-numbers"));
        } else {
            request.size = TRY(at("/allocated-size", in.unsigned_int()));
        }
    }
    TRY(keys.finish());
    return request;
}

ByteBuffer encode(const AllocateAnswer& answer) {
    cbor::Writer out;
    out.begin_map(2).text("already-have");
    write_set(out, answer.already_have);
    out.text("allocated");
    write_set(out, answer.allocated);
    return out.take();
}

Result<AllocateAnswer> parse_allocate_answer(ByteView body) {
    cbor::Reader in(body);
    AllocateAnswer answer;
    Keys keys("/", {"already-have", "allocated"});
    TRY(at("/", in.begin_map()));
    while (TRY(at("/", in.more()))) {
        if (TRY(keys.take(TRY(at("/", in.text())))) == 0) {
            answer.already_have = TRY(share_set(in, "/already-have"));
        } else {
            answer.allocated = TRY(share_set(in, "/allocated"));
        }
    }
    TRY(keys.finish());
    return answer;
}

// ---- write

ByteBuffer encode_required(const std::vector<Missing>& required) {
    cbor::Writer out;
    out.begin_map(1).text("required").begin_array(required.size());
    for (const Missing& missing : required) {
        out.begin_map(2);
        out.text("begin").unsigned_int(missing.begin);
        out.text("end").unsigned_int(missing.end);
    }
    return out.take();
}

namespace {

Result<Missing> read_missing(cbor::Reader& in) {
    Missing missing;
    Keys keys("/required", {"begin", "end"});
    TRY(at("/required", in.begin_map()));
    while (TRY(at("/required", in.more()))) {
        const std::size_t i = TRY(keys.take(TRY(at("/required", in.text()))));
        (i == 0 ? missing.begin : missing.end) = TRY(at("/required", in.unsigned_int()));
    }
    TRY(keys.finish());
    return missing;
}

}  // namespace

Result<std::vector<Missing>> parse_required(ByteView body) {
    cbor::Reader in(body);
    std::vector<Missing> required;
    Keys keys("/", {"required"});
    TRY(at("/", in.begin_map()));
    while (TRY(at("/", in.more()))) {
        TRY(keys.take(TRY(at("/", in.text()))));
        TRY(at("/required", in.begin_array()));
        while (TRY(at("/required", in.more()))) required.push_back(TRY(read_missing(in)));
    }
    TRY(keys.finish());
    return required;
}

// ---- lists of shares

ByteBuffer encode_share_list(const std::vector<ShareNumber>& shares) {
    cbor::Writer out;
    write_set(out, shares);
    return out.take();
}

Result<std::vector<ShareNumber>> parse_share_list(ByteView body) {
    cbor::Reader in(body);
    return share_set(in, "/");
}

// ---- corrupt

ByteBuffer encode_reason(std::string_view reason) {
    cbor::Writer out;
    out.begin_map(1).text("reason").text(reason);
    return out.take();
}

Result<std::string> parse_reason(ByteView body) {
    cbor::Reader in(body);
    std::string reason;
    Keys keys("/", {"reason"});
    TRY(at("/", in.begin_map()));
    while (TRY(at("/", in.more()))) {
        TRY(keys.take(TRY(at("/", in.text()))));
        reason = TRY(at("/reason", in.text()));
    }
    TRY(keys.finish());
    if (reason.empty() || reason.size() > kReasonBytesMax)
        return bad(
            fmt::format("The length of /reason must be from 1 to {} bytes", kReasonBytesMax));
    return reason;
}

// ---- read-test-write's answer

namespace {

Result<std::map<ShareNumber, std::vector<ByteBuffer>>> read_data(cbor::Reader& in) {
    std::map<ShareNumber, std::vector<ByteBuffer>> data;
    TRY(at("/data", in.begin_map()));
    while (TRY(at("/data", in.more()))) {
        const auto [items, is_new] = data.try_emplace(TRY(share_number(in, "/data")));
        if (!is_new) return bad("A share comes twice at /data");
        TRY(at("/data", in.begin_array()));
        while (TRY(at("/data", in.more())))
            items->second.push_back(to_buffer(TRY(at("/data", in.bytes()))));
    }
    return data;
}

}  // namespace

Result<ReadTestWriteAnswer> parse_read_test_write_answer(ByteView body) {
    cbor::Reader in(body);
    ReadTestWriteAnswer answer;
    Keys keys("/", {"success", "data"});
    TRY(at("/", in.begin_map()));
    while (TRY(at("/", in.more()))) {
        if (TRY(keys.take(TRY(at("/", in.text())))) == 0) {
            answer.success = TRY(at("/success", in.boolean()));
        } else {
            answer.data = TRY(read_data(in));
        }
    }
    TRY(keys.finish());
    return answer;
}

}  // namespace s4::proto::gbs
