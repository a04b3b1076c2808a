// A Tahoe-LAFS storage node's directory but for its shares: keys, FURLs, configuration
// (docs/formats/tahoe-directory.md; reference A.3, B.6). Read for import, written for export.
//
// Everything here blocks and runs on a pool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "proto/foolscap/furl.h"
#include "rt/files.h"
#include "tahoe/share_file.h"
#include "tenants/keyring.h"

namespace s4::transfer {

struct NodeDirectory {
    tenants::AdoptedIdentity identity;
    std::optional<std::int64_t> seqnum;  // of its last announcement
    std::string shares;                  // where its shares are
};

// `introducer` is the directory of the grid's introducer node, which is to go on too; when empty,
// the folder `introducer` in the node's own directory, if there is one. Errors: import.not_a_node,
// import.bad_identity, files.*.
Result<NodeDirectory> read_node(rt::Files& files, const std::string& directory,
                                const std::string& introducer);

// A whole grid as two nodes: the storage node in the directory, the introducer in its folder
// `introducer`.
struct ExportedGrid {
    tenants::AdoptedIdentity identity;  // complete
    std::int64_t seqnum = 0;
    // Where the nodes will be reached; hints for whoever starts them, who may edit them.
    proto::foolscap::TcpAddress storage;
    proto::foolscap::TcpAddress introducer;

    tahoe::TubId tub_id() const { return identity.storage.tls.certificate.tub_id_bytes(); }
};

inline constexpr const char* kSharesFolder = "/storage/shares";

// Makes sure that the directory may be written to, and notes whose it is: it is new, empty, or an
// earlier export of this grid that no node has served since. Errors: export.not_empty,
// export.other_node, export.node_has_run, files.*.
Result<void> claim_directory(rt::Files& files, const std::string& directory,
                             const ExportedGrid& grid);
// The rest. tahoe.cfg is left as it is where there is one, since people edit it. The files that
// make `tahoe run` take the directories for nodes come last: what is exported by half does not run.
Result<void> write_nodes(rt::Files& files, const std::string& directory, const ExportedGrid& grid);

}  // namespace s4::transfer
