#include "transfer/readme.h"

#include <fmt/format.h>

namespace s4::transfer {
namespace {

std::string node_section(const proto::foolscap::TcpAddress& at, std::string_view nickname) {
    return fmt::format(
        "[node]\n"
        "nickname = {}\n"
        "web.port =\n"
        "# The port that the node listens on, and where its clients find it. Edit both.\n"
        "tub.port = tcp:{}\n"
        "tub.location = {}\n",
        nickname, at.port, proto::foolscap::format_tcp_hint(at));
}

}  // namespace

std::string storage_configuration(const proto::foolscap::TcpAddress& at) {
    return node_section(at, "storage") +
           "\n"
           "[storage]\n"
           "enabled = true\n"
           "reserved_space = 1G\n";
}

std::string introducer_configuration(const proto::foolscap::TcpAddress& at) {
    return node_section(at, "introducer");
}

std::string introducers_configuration(std::string_view introducer_furl) {
    const std::string_view furl = introducer_furl.substr(0, introducer_furl.find('\n'));
    return fmt::format("introducers:\n  default:\n    furl: {}\n", furl);
}

std::string export_readme(std::string_view introducer_furl) {
    return fmt::format(
        "This is a grid as two Tahoe-LAFS nodes: the storage server (this directory) and its\n"
        "introducer (the folder introducer). Everything that the grid's capabilities name is in\n"
        "it, and they go on working, those for writing too. Whoever has this directory is the\n"
        "server: keep it as private as its owner's files are dear.\n"
        "\n"
        "To run it:\n"
        "\n"
        "1. Install Tahoe-LAFS 1.20 (pip install tahoe-lafs).\n"
        "2. In tahoe.cfg and introducer/tahoe.cfg, set tub.port to a free port and tub.location\n"
        "   to where clients will reach it, such as tcp:tahoe.example.org:8097. The two nodes "
        "need\n"
        "   two ports. In private/introducers.yaml, set the same location of the introducer.\n"
        "3. tahoe run introducer\n"
        "   tahoe run .\n"
        "4. In each client, put the introducer's FURL with the new location into\n"
        "   private/introducers.yaml, and start the client again. Nothing else changes: "
        "everything\n"
        "   before the @ and after the last / stays as it is.\n"
        "\n"
        "The introducer's FURL, as it is written down here:\n"
        "   {}"
        "\n"
        "Once a node has served this directory, nothing is exported into it again. What the "
        "export\n"
        "could not read, if anything, is listed in skipped.jsonl.\n",
        introducer_furl);
}

}  // namespace s4::transfer
