#include "app/state_directory.h"

#include <fmt/format.h>

#include "codec/json.h"

namespace s4::app {
namespace {

constexpr std::uint64_t kSmallFileBytesMax = 64 * 1024;

bool is_missing(const Error& error) {
    return error.kind() == ErrorKind::not_found;
}

codec::json::Value to_json(const rt::Endpoint& endpoint) {
    return endpoint.to_string();
}

}  // namespace

Result<StateDirectory> StateDirectory::open(rt::Files& files, const std::string& path) {
    const std::string parent = rt::parent_path(path);
    if (const auto info = files.info(path); !info) {
        if (!is_missing(info.error()))
            return fail(ErrorKind::io, "app.state_unusable",
                        fmt::format("the state directory {} cannot be used: {}", path,
                                    info.error().message()));
        if (!files.info(parent))
            return fail(ErrorKind::invalid, "app.state_missing",
                        fmt::format("{} cannot be made because {} does not exist; make that first, "
                                    "or give another --state",
                                    path, parent));
        Result<void> made = files.make_directories(path);
        if (made) made = files.sync_directory(parent);  // or a power failure could lose its name
        if (!made)
            return fail(ErrorKind::io, "app.state_unusable",
                        fmt::format("the state directory {} cannot be made: {}", path,
                                    made.error().message()));
    } else if (!info->is_directory) {
        return fail(ErrorKind::invalid, "app.state_unusable",
                    fmt::format("{} is a file; --state takes a directory", path));
    }
    auto lock = files.lock(path + "/lock");
    if (!lock && lock.error().is("files.locked"))
        return fail(ErrorKind::conflict, "app.state_in_use",
                    fmt::format("another s4 runs on {}; stop it, or give another --state", path));
    if (!lock)
        return fail(
            ErrorKind::io, "app.state_unusable",
            fmt::format("the state directory {} cannot be used: {}", path, lock.error().message()));
    return StateDirectory(files, path, std::move(*lock));
}

Result<void> StateDirectory::check_database() {
    if (files_->info(database_path())) return ok();
    const auto blobs = files_->list(blobs_path());
    if (!blobs || blobs->empty()) return ok();  // the store itself says what is wrong with it
    return fail(
        ErrorKind::not_found, "app.database_missing",
        fmt::format("{} holds shares of {} grid(s), but {} is missing, and a new one would not "
                    "know them; bring back the newest copy (docs/recovery.md says how), or "
                    "give another --state",
                    blobs_path(), blobs->size(), database_path()));
}

Result<crypto::StaticMasterKey> StateDirectory::master_key(crypto::Random& random) {
    const std::string key_path = path_ + "/master.key";
    auto content = rt::read_file(*files_, key_path, kSmallFileBytesMax);
    if (content) {
        auto key = crypto::StaticMasterKey::parse(Secret(std::move(*content)));
        if (!key) return fail(std::move(key).error().with("read " + key_path));
        return key;
    }
    if (!is_missing(content.error()))
        return fail(std::move(content).error().with("read " + key_path));
    if (files_->info(database_path()))
        return fail(ErrorKind::not_found, "app.master_key_missing",
                    fmt::format("{} is missing, and without it the keys in {} cannot be opened; "
                                "put it back from where you "
                                "keep it",
                                key_path, database_path()));
    crypto::StaticMasterKey made = crypto::StaticMasterKey::generate(random);
    TRY(rt::replace_file(*files_, key_path, made.to_file().reveal()));
    return made;
}

Result<rt::Endpoint> StateDirectory::with_kept_port(const std::string& name, rt::Endpoint wanted) {
    if (wanted.port != 0) return wanted;
    const std::string ports_path = path_ + "/ports.json";
    auto content = rt::read_file(*files_, ports_path, kSmallFileBytesMax);
    if (!content && is_missing(content.error())) return wanted;
    if (!content) return fail(std::move(content).error().with("read " + ports_path));
    const codec::json::Value kept = TRY(codec::json::parse(as_text(*content)));
    if (const codec::json::Value* port = kept.find(name))
        wanted.port = static_cast<std::uint16_t>(port->as_uint64().value_or(0));
    return wanted;
}

Result<void> StateDirectory::keep_ports(const Addresses& bound) {
    const codec::json::Object ports{
        {"web", bound.web.port}, {"gate", bound.gate.port}, {"admin", bound.admin.port}};
    return rt::replace_file(*files_, path_ + "/ports.json",
                            as_bytes(codec::json::to_text(ports) + "\n"));
}

Result<void> StateDirectory::announce(const Addresses& addresses) {
    const codec::json::Object out{{"web", to_json(addresses.web)},
                                  {"gate", to_json(addresses.gate)},
                                  {"admin", to_json(addresses.admin)}};
    return rt::replace_file(*files_, path_ + "/addresses.json",
                            as_bytes(codec::json::to_text(out) + "\n"));
}

void StateDirectory::withdraw() {
    (void)files_->remove(path_ + "/addresses.json");
}

}  // namespace s4::app
