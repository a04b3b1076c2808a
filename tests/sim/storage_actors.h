// What stores and changes shares in the scenarios of the storage engine, called as the gate calls
// it. Actors own indexes, some immutable, some slots, in two grids that use the same storage
// indexes; what they were told goes into the model.
#pragma once

#include "rt/task.h"
#include "storage_node.h"

namespace s4::simulation {

// One process: opens what the machine has, compares it with the model, and with `load` lets the
// actors work until the process ends.
rt::Task<void> serve_storage(StorageStory& story, rt::sim::Process& process, bool load,
                             bool faults);

}  // namespace s4::simulation
