// libsodium must be initialised once before use; every file here that calls it says so first.
// Thread-safe.
#pragma once

namespace s4::crypto {

void sodium_ready();

}  // namespace s4::crypto
