#include "transfer/node_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "transfer/limits.h"
#include "transfer/readme.h"

namespace s4::transfer {
namespace {

constexpr const char* kNodePem = "/private/node.pem";
constexpr const char* kStorageFurl = "/private/storage.furl";
constexpr const char* kIntroducerFurl = "/private/introducer.furl";
constexpr const char* kServerKey = "/private/node.privkey";
constexpr const char* kServerPublicKey = "/node.pubkey";
constexpr const char* kPermutationSeed = "/permutation-seed";
constexpr const char* kSeqnum = "/announcement-seqnum";
constexpr const char* kConfiguration = "/tahoe.cfg";
constexpr const char* kIntroducerFolder = "/introducer";
// Written by a node whenever it starts, and never by an export.
constexpr const char* kNodeHasRun = "/my_nodeid";

std::string_view trim(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// The file's text without the blanks around it; nothing when there is no such file.
Result<std::optional<Secret>> read_text(rt::Files& files, const std::string& path) {
    if (!files.info(path)) return std::nullopt;
    const Secret content(TRY(rt::read_file(files, path, kNodeFileBytesMax)));
    return Secret(as_bytes(trim(content.reveal_text())));
}

std::unexpected<Error> bad_identity(const std::string& path, std::string_view problem) {
    return fail(ErrorKind::invalid, "import.bad_identity", fmt::format("{}: {}", path, problem));
}

Result<tenants::AdoptedTub> read_tub(rt::Files& files, const std::string& directory,
                                     const char* furl_name) {
    const std::string pem_path = directory + kNodePem;
    const std::string furl_path = directory + furl_name;
    const auto pem = TRY(read_text(files, pem_path));
    const auto furl_text = TRY(read_text(files, furl_path));
    if (!pem || !furl_text)
        return fail(ErrorKind::not_found, "import.not_a_node",
                    fmt::format("{} has no {}; give the directory of a Tahoe-LAFS node that has "
                                "run",
                                directory, pem ? furl_name + 1 : kNodePem + 1));
    auto tls = crypto::TlsIdentity::from_pem(*pem);
    if (!tls) return bad_identity(pem_path, tls.error().sentence());
    const auto furl = proto::foolscap::Furl::parse(furl_text->reveal_text());
    if (!furl) return bad_identity(furl_path, furl.error().sentence());
    if (furl->tub_id != tls->certificate.tub_id())
        return bad_identity(furl_path, "it is the FURL of another node than node.pem's");
    return tenants::AdoptedTub{std::move(*tls), Secret(as_bytes(furl->name))};
}

// The value of [section] key, as far as Tahoe's tahoe.cfg need be understood here.
std::string configured(std::string_view text, std::string_view section, std::string_view key) {
    std::string_view current;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trim(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.starts_with('[') && line.ends_with(']')) {
            current = trim(line.substr(1, line.size() - 2));
            continue;
        }
        const std::size_t equals = line.find('=');
        if (current != section || equals == std::string_view::npos) continue;
        if (trim(line.substr(0, equals)) == key) return std::string(trim(line.substr(equals + 1)));
    }
    return "";
}

Result<std::string> shares_folder(rt::Files& files, const std::string& directory) {
    const auto text = TRY(read_text(files, directory + kConfiguration));
    const std::string configured_folder =
        text ? configured(text->reveal_text(), "storage", "storage_dir") : "";
    std::string out = directory + kSharesFolder;
    if (configured_folder.starts_with('/'))
        out = configured_folder + "/shares";
    else if (!configured_folder.empty())
        out = fmt::format("{}/{}/shares", directory, configured_folder);
    if (files.info(out)) return out;
    return fail(ErrorKind::not_found, "import.not_a_node",
                fmt::format("{} is missing; it would hold the node's shares", out));
}

std::string furl_text(const tenants::AdoptedTub& tub, const proto::foolscap::TcpAddress& at) {
    proto::foolscap::Furl furl;
    furl.tub_id = tub.tls.certificate.tub_id();
    furl.hints = {proto::foolscap::format_tcp_hint(at)};
    furl.name = tub.swissnum.reveal_text();
    return furl.format() + "\n";
}

Result<void> write_text(rt::Files& files, const std::string& path, std::string_view text) {
    return rt::replace_file(files, path, as_bytes(text));
}

Result<void> write_unless_there(rt::Files& files, const std::string& path, std::string_view text) {
    if (files.info(path)) return ok();
    return write_text(files, path, text);
}

Result<void> write_introducer(rt::Files& files, const std::string& directory,
                              const ExportedGrid& grid) {
    const tenants::AdoptedTub& tub = *grid.identity.introducer;
    TRY(files.make_directories(directory + "/private"));
    TRY(rt::replace_file(files, directory + kNodePem, tub.tls.to_pem().reveal()));
    TRY(write_text(files, directory + kIntroducerFurl, furl_text(tub, grid.introducer)));
    TRY(write_unless_there(files, directory + kConfiguration,
                           introducer_configuration(grid.introducer)));
    return write_text(files, directory + "/tahoe-introducer.tac",
                      "# `tahoe run` knows by this file's name what to run here.\n");
}

}  // namespace

Result<NodeDirectory> read_node(rt::Files& files, const std::string& directory,
                                const std::string& introducer) {
    NodeDirectory out {
        .identity =
        {.storage = TRY(read_tub(files, directory, kStorageFurl)),
         .introducer = {},
         .server_key = {},
         .permutation_seed = "" },
        .seqnum = {}, .shares = TRY(shares_folder(files, directory))
    };
    tenants::AdoptedIdentity& identity = out.identity;
    const std::string beside = directory + kIntroducerFolder;
    if (!introducer.empty() || files.info(beside + kIntroducerFurl))
        identity.introducer =
            TRY(read_tub(files, introducer.empty() ? beside : introducer, kIntroducerFurl));
    if (const auto key = TRY(read_text(files, directory + kServerKey))) {
        auto parsed = crypto::Ed25519PrivateKey::parse(*key);
        if (!parsed) return bad_identity(directory + kServerKey, parsed.error().sentence());
        identity.server_key = std::move(*parsed);
    }
    // A node with shares that has none written down is an old one, and announces its tub id.
    const auto seed = TRY(read_text(files, directory + kPermutationSeed));
    identity.permutation_seed =
        seed ? std::string(seed->reveal_text()) : identity.storage.tls.certificate.tub_id();
    if (const auto seqnum = TRY(read_text(files, directory + kSeqnum))) {
        const std::string_view text = seqnum->reveal_text();
        std::int64_t number = 0;
        const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error == std::errc{} && at == text.data() + text.size()) out.seqnum = number;
    }
    return out;
}

Result<void> claim_directory(rt::Files& files, const std::string& directory,
                             const ExportedGrid& grid) {
    if (files.info(directory + kNodeHasRun))
        return fail(ErrorKind::conflict, "export.node_has_run",
                    fmt::format("a Tahoe-LAFS node has served {}: what its clients changed there "
                                "would be lost; export into another directory",
                                directory));
    const Secret pem = grid.identity.storage.tls.to_pem();
    if (const auto there = TRY(read_text(files, directory + kNodePem))) {
        if (there->equals(as_bytes(trim(pem.reveal_text())))) return ok();
        return fail(
            ErrorKind::conflict, "export.other_node",
            fmt::format("{} is another node's; export into a directory of its own", directory));
    }
    if (files.info(directory) && !TRY(files.list(directory)).empty())
        return fail(ErrorKind::conflict, "export.not_empty",
                    fmt::format("{} is not empty, and no export of this grid", directory));
    TRY(files.make_directories(directory + "/private"));
    TRY(files.make_directories(directory + kSharesFolder));
    return rt::replace_file(files, directory + kNodePem, pem.reveal());
}

Result<void> write_nodes(rt::Files& files, const std::string& directory, const ExportedGrid& grid) {
    const tenants::AdoptedIdentity& identity = grid.identity;
    const std::string introducer_furl = furl_text(*identity.introducer, grid.introducer);
    TRY(write_text(files, directory + kStorageFurl, furl_text(identity.storage, grid.storage)));
    TRY(rt::replace_file(files, directory + kServerKey, identity.server_key->text().reveal()));
    TRY(write_text(files, directory + kServerPublicKey,
                   identity.server_key->public_key().node_pubkey() + "\n"));
    TRY(write_text(files, directory + kPermutationSeed, identity.permutation_seed + "\n"));
    TRY(write_text(files, directory + kSeqnum, fmt::format("{}\n", grid.seqnum)));
    TRY(write_unless_there(files, directory + "/private/introducers.yaml",
                           introducers_configuration(introducer_furl)));
    TRY(write_unless_there(files, directory + kConfiguration, storage_configuration(grid.storage)));
    TRY(write_text(files, directory + "/README.txt", export_readme(introducer_furl)));
    TRY(write_introducer(files, directory + kIntroducerFolder, grid));
    return write_text(files, directory + "/tahoe-client.tac",
                      "# `tahoe run` knows by this file's name what to run here.\n");
}

}  // namespace s4::transfer
