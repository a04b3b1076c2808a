// The texts of an exported directory that people read: configurations to edit, and how to run it.
#pragma once

#include <string>
#include <string_view>

#include "proto/foolscap/furl.h"

namespace s4::transfer {

std::string storage_configuration(const proto::foolscap::TcpAddress& at);
std::string introducer_configuration(const proto::foolscap::TcpAddress& at);
std::string introducers_configuration(std::string_view introducer_furl);
// README.txt. The FURL is a secret that the directory's owner has anyway.
std::string export_readme(std::string_view introducer_furl);

}  // namespace s4::transfer
