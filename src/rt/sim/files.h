// SimFiles: one process's door to its machine's disk. Counts calls, crashes and fails when told to.
#pragma once

#include <memory>

#include "rt/files.h"
#include "rt/sim/machine.h"

namespace s4::rt::sim {

std::unique_ptr<Files> make_files(Process& process);

}  // namespace s4::rt::sim
