// StateDirectory: the one directory that an embedded S4 keeps everything in, held by one process at
// a time.
//
// - lock: held while a server runs
// - master.key: what seals every key at rest (docs/formats/master-key.md); made at the first start
// - s4.sqlite: the database
// - blobs/: large shares; tmp/: unfinished uploads, emptied at start
// - ports.json: the ports that the system chose for port 0, so that addresses last
// - control.sock: where subcommands speak to the server
// - addresses.json: where the running server listens; there when it is ready
//
// Made at start on the main thread; all calls block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "crypto/master_key.h"
#include "crypto/random.h"
#include "rt/files.h"
#include "rt/stream.h"

namespace s4::app {

// Where a server listens, as ports.json and addresses.json tell it.
struct Addresses {
    rt::Endpoint web;
    rt::Endpoint gate;
    rt::Endpoint admin;
};

class StateDirectory {
  public:
    // Makes the directory if only its last part is missing, and locks it. Errors (one sentence
    // each): app.state_missing, app.state_in_use, app.state_unusable.
    static Result<StateDirectory> open(rt::Files& files, const std::string& path);

    // Refuses blobs without a database: a fresh one cannot take its place. Error:
    // app.database_missing.
    Result<void> check_database();

    // Reads master.key, or makes it where there is no database yet. Errors: app.master_key_missing,
    // master_key.invalid.
    Result<crypto::StaticMasterKey> master_key(crypto::Random& random);

    // `wanted` with port 0 replaced by the port that was kept for `name` ("gate", "web", "admin"),
    // if any.
    Result<rt::Endpoint> with_kept_port(const std::string& name, rt::Endpoint wanted);
    // Keeps the ports of all three. Called once they are bound.
    Result<void> keep_ports(const Addresses& bound);

    // Puts addresses.json in its place, whole.
    Result<void> announce(const Addresses& addresses);
    // Takes addresses.json away; a server that stops is not to be found by it.
    void withdraw();

    std::string database_path() const { return path_ + "/s4.sqlite"; }
    std::string blobs_path() const { return path_ + "/blobs"; }
    std::string temporary_path() const { return path_ + "/tmp"; }
    std::string control_path() const { return control_path(path_); }
    static std::string control_path(const std::string& state) { return state + "/control.sock"; }

  private:
    StateDirectory(rt::Files& files, std::string path, std::unique_ptr<rt::File> lock)
        : files_(&files), path_(std::move(path)), lock_(std::move(lock)) {}

    rt::Files* files_;
    std::string path_;
    std::unique_ptr<rt::File> lock_;
};

}  // namespace s4::app
